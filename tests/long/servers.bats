#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Servers of Debian with their own clients inside one sandbox: redis with redis-benchmark, nginx with two workers, as a
# proxy to itself over a unix socket; and the socket stressors of stress-ng, which verify what they do.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load ../lib.bash

setup() { box_setup; }
teardown() { box_teardown; }

need() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

@test "redis: set and get over TCP and a unix socket, redis-benchmark" {
	need redis-server
	cat >redis.sh <<-'SH'
	redis-server --port 7379 --unixsocket "$PWD/r.sock" --save "" --dir "$PWD" >redis.log 2>&1 &
	for i in $(seq 100); do redis-cli -p 7379 ping 2>/dev/null | grep -q PONG && break; sleep 0.1; done
	redis-cli -p 7379 set key value
	redis-cli -s "$PWD/r.sock" get key
	redis-benchmark -p 7379 -n 20000 -c 50 -t ping,set,get -q | tr '\r' '\n' | grep -c 'requests per second'
	redis-benchmark -s "$PWD/r.sock" -n 20000 -c 50 -t ping,get -q | tr '\r' '\n' | grep -c 'requests per second'
	redis-cli -p 7379 shutdown nosave
	wait
	SH
	run --separate-stderr timeout 300 "$GSH" run -x -- sh redis.sh
	assert_success
	assert_output "$(printf 'OK\nvalue\n4\n3')"
}

@test "nginx: static files and a proxy to a unix socket, by IPv4 and IPv6" {
	need nginx
	cat >nginx.sh <<-'SH'
	mkdir -p html
	echo hello >html/index.html
	cat >nginx.conf <<-END
	worker_processes 2; pid $PWD/pid; daemon off;
	events { worker_connections 256; }
	http {
		access_log off;
		client_body_temp_path $PWD/b; proxy_temp_path $PWD/p; fastcgi_temp_path $PWD/f;
		uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
		upstream self { server unix:$PWD/sock; }
		server { listen 8099; listen [::]:8099; root $PWD/html; location /p/ { proxy_pass http://self/; } }
		server { listen unix:$PWD/sock; root $PWD/html; }
	}
	END
	nginx -c "$PWD/nginx.conf" -e "$PWD/error.log" &
	for i in $(seq 100); do [ -S sock ] && [ -s pid ] && break; sleep 0.1; done
	/usr/bin/python3 - <<-'PY'
	import concurrent.futures as f, urllib.request as u
	def get(i):
	    return u.urlopen("http://%s:8099/%s" % (("127.0.0.1", "[::1]")[i % 2], ("", "p/")[i // 2 % 2])).read()
	with f.ThreadPoolExecutor(16) as pool:
	    print({x.decode().strip() for x in pool.map(get, range(400))})
	PY
	kill %1
	wait
	cat error.log
	SH
	run --separate-stderr timeout 120 "$GSH" run -x -- bash nginx.sh
	assert_success
	assert_output "{'hello'}"
}

@test "stress-ng: sockets of all kinds, verified" {
	need stress-ng
	for kind in sock sockpair sockabuse sockfd sockmany udp udp-flood; do
		run timeout 60 "$GSH" run -x -- stress-ng --temp-path . --$kind 2 --timeout 5 --verify
		assert_success
	done
}
