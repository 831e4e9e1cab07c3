#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Networks of sandboxes: what works inside one, what stays apart, and ports published on the host.
bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() { box_setup; }
teardown() { box_teardown; }

# A free port of the host.
free_port() {
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# get PORT [PATH]: what an HTTP server on the host's loopback says.
get() {
	/usr/bin/python3 -c 'import sys, urllib.request as u
sys.stdout.write(u.urlopen("http://127.0.0.1:%s/%s" % (sys.argv[1], sys.argv[2]), timeout=10).read().decode())' "$1" "${2-}"
}

wait_for() {
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

@test "servers and their clients in one sandbox: http, xmlrpc, forking unix server, managers" {
	cat >servers.py <<-'PY'
	import http.server, multiprocessing, os, socket, socketserver, threading, urllib.request, xmlrpc.client, xmlrpc.server

	class Page(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        self.send_response(200)
	        self.end_headers()
	        self.wfile.write(b"x" * 300000)
	    def log_message(self, *a):
	        pass
	def serve(s):
	    threading.Thread(target=s.serve_forever, daemon=True).start()
	    return s
	web = serve(http.server.ThreadingHTTPServer(("", 0), Page))
	print(sum(len(urllib.request.urlopen("http://localhost:%d/" % web.server_port).read()) for i in range(10)))
	class Echo(socketserver.StreamRequestHandler):
	    def handle(self):
	        self.wfile.write(self.rfile.readline().upper())
	class Forking(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
	    pass
	serve(Forking("echo.sock", Echo))
	for i in range(5):
	    c = socket.socket(socket.AF_UNIX)
	    c.connect("echo.sock")
	    c.sendall(b"hello %d\n" % i)
	    print(c.recv(100), c.getpeername())
	rpc = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
	rpc.register_function(pow)
	serve(rpc)
	print(xmlrpc.client.ServerProxy("http://127.0.0.1:%d" % rpc.server_address[1]).pow(2, 10))
	with multiprocessing.Manager() as m:
	    d = m.dict(a=1)
	    p = multiprocessing.Process(target=lambda: d.update(b=2))
	    p.start()
	    p.join()
	    print(sorted(d.items()))
	PY
	run --separate-stderr "$GSH" run -- /usr/bin/python3 servers.py
	assert_success
	assert_line 3000000
	assert_line "b'HELLO 4\\n' echo.sock"
	assert_line 1024
	assert_line "[('a', 1), ('b', 2)]"
}

@test "two sandboxes have the same port, path and abstract name, and do not meet" {
	local name
	cat >same.py <<-'PY'
	import os, socket, sys, time
	tcp = socket.socket()
	tcp.bind(("127.0.0.1", 7777))
	udp = socket.socket(type=socket.SOCK_DGRAM)
	udp.bind(("127.0.0.1", 7777))
	ab = socket.socket(socket.AF_UNIX)
	ab.bind("\0gsh-test-same")
	un = socket.socket(socket.AF_UNIX)
	un.bind("same.sock")
	for s in tcp, ab, un:
	    s.listen()
	    s.settimeout(2)
	udp.settimeout(2)
	open("up", "w").close()
	mine = sys.argv[1].encode()
	def meet(s, family, address):
	    c = socket.socket(family)
	    c.connect(address)
	    c.send(mine)
	    return s.accept()[0].recv(100).decode()
	end = time.time() + 2
	while time.time() < end:
	    seen = {meet(tcp, socket.AF_INET, ("127.0.0.1", 7777)), meet(ab, socket.AF_UNIX, "\0gsh-test-same"),
	            meet(un, socket.AF_UNIX, "same.sock")}
	    udp.sendto(mine, ("127.0.0.1", 7777))
	    seen.add(udp.recv(100).decode())
	    assert seen == {sys.argv[1]}, seen
	print("alone")
	PY
	for name in one two; do
		"$GSH" run -s "$name" -- /usr/bin/python3 same.py "$name" >"$name.out" 2>&1 3>&- &
	done
	wait
	assert_equal "$(cat one.out)" alone
	assert_equal "$(cat two.out)" alone
}

@test "nothing of the host's sockets is in reach, nor can one be opened on the host" {
	local port
	port=$(free_port)
	/usr/bin/python3 - "$port" >host.log 2>&1 3>&- <<-'PY' &
	import select, socket, sys
	port = int(sys.argv[1])
	tcp = socket.socket()
	tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	tcp.bind(("127.0.0.1", port))
	udp = socket.socket(type=socket.SOCK_DGRAM)
	udp.bind(("127.0.0.1", port))
	ab = socket.socket(socket.AF_UNIX)
	ab.bind("\0gsh-test-host-%d" % port)
	un = socket.socket(socket.AF_UNIX)
	un.bind("host.sock")
	for s in tcp, ab, un:
	    s.listen()
	open("up", "w").close()
	for s in select.select([tcp, udp, ab, un], [], [], 6)[0]:
	    print("reached:", s)
	PY
	wait_for test -e up
	run --separate-stderr "$GSH" run -- /usr/bin/python3 - "$port" <<-'PY'
	import socket, sys
	port = int(sys.argv[1])
	for family, address in ((socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::ffff:127.0.0.1", port)),
	                        (socket.AF_INET, ("0.0.0.0", port)), (socket.AF_UNIX, "\0gsh-test-host-%d" % port),
	                        (socket.AF_UNIX, "host.sock"), (socket.AF_INET, ("192.0.2.1", 80))):
	    print(socket.socket(family).connect_ex(address))
	socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port))
	PY
	assert_success
	assert_output "$(printf '111\n111\n111\n111\n111\n101')"
	wait
	run cat host.log
	assert_output ""
	# And the other way: what listens inside is not on the host.
	"$GSH" run -- sh -c 'exec /usr/bin/python3 -m http.server 7778 >/dev/null 2>&1' 3>&- &
	wait_for "$GSH" run -- /usr/bin/python3 -c 'import socket; socket.create_connection(("127.0.0.1", 7778))'
	run /usr/bin/python3 -c 'import socket; print(socket.socket().connect_ex(("127.0.0.1", 7778)))'
	assert_output 111
}

@test "a sandbox finds the address of its own name, which changes no file and is no refusal" {
	run -0 gsh run -s own -- sh -c 'getent hosts "$(hostname)" | tr -s " "; hostname -f'
	assert_output "$(printf '127.0.1.1 own\nown')"
	run -2 gsh run -s own -- getent hosts another
	run -0 gsh denials -s own
	refute_output --partial own:443
	run -0 gsh diff -s own
	assert_output ''
}

@test "interfaces and sockets are shown as on Linux" {
	cat >show.py <<-'PY'
	import fcntl, os, socket, struct
	print(socket.if_nameindex())
	s = socket.socket(type=socket.SOCK_DGRAM)
	print(socket.inet_ntoa(fcntl.ioctl(s, 0x8915, struct.pack("256s", b"lo"))[20:24]))
	l = socket.socket()
	l.bind(("127.0.0.1", 7779))
	l.listen()
	c = socket.create_connection(("127.0.0.1", 7779))
	u = socket.socket(socket.AF_UNIX)
	u.bind("shown.sock")
	u.listen()
	rows = [r.split() for r in open("/proc/net/tcp").read().splitlines()[1:]]
	mine = [r for r in rows if r[1] == "0100007F:1E63" and r[3] == "0A"]
	print(len(mine), int(mine[0][9]) == os.fstat(l.fileno()).st_ino, len([r for r in rows if r[3] == "01"]))
	print([r.split()[-1] for r in open("/proc/net/unix") if "shown.sock" in r])
	PY
	run --separate-stderr "$GSH" run -x -- /usr/bin/python3 show.py
	assert_success
	assert_output "$(printf "[(1, 'lo')]\n127.0.0.1\n1 True 2\n['shown.sock']")"
}

@test "-p: a port on the host leads inside; big answers, half-closed streams, many at once" {
	local port
	port=$(free_port)
	mkdir www
	echo "from inside" >www/f
	head -c 5000000 /dev/zero >www/big
	"$GSH" run -s web -p "$port:8000" -- sh -c 'cd www && exec /usr/bin/python3 -m http.server 8000 >/dev/null 2>&1' 3>&- &
	wait_for get "$port"
	run get "$port" f
	assert_output "from inside"
	assert_equal "$(get "$port" big | wc -c)" 5000000
	# The same again is no error, and a second one leads to the same server.
	run --separate-stderr "$GSH" run -s web -p "$port:8000" -p 0:8000 -- true
	assert_success
	run get "$(sed -n 's/.* port //p' <<<"$stderr")" f
	assert_output "from inside"
	# Told by info and ls.
	run "$GSH" info web
	assert_line "$(printf 'published\t127.0.0.1 port %s leads to 8000' "$port")"
	"$GSH" ls --json | grep -q "{\"address\":\"127.0.0.1\",\"host\":$port,\"inner\":8000}"
	# Many, and ends of file in each direction.
	"$GSH" run -s web -- /usr/bin/python3 - 3>&- <<-'PY' &
	import socket, threading
	l = socket.socket()
	l.bind(("127.0.0.1", 8001))
	l.listen(64)
	def serve(s):
	    data = b""
	    while part := s.recv(65536):
	        data += part
	    s.sendall(data[::-1])
	    s.close()
	for i in range(40):
	    threading.Thread(target=serve, args=(l.accept()[0],)).start()
	PY
	wait_for "$GSH" run -s web -- sh -c 'grep -q :1F41 /proc/net/tcp'
	port=$(free_port)
	"$GSH" run -s web -p "$port:8001" -- true
	run /usr/bin/python3 - "$port" <<-'PY'
	import socket, sys
	all = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for i in range(40)]
	for i, s in enumerate(all):
	    s.sendall(b"%03d" % i * 20000)
	    s.shutdown(socket.SHUT_WR)
	for i, s in enumerate(all):
	    data = b""
	    while part := s.recv(65536):
	        data += part
	    assert data == (b"%03d" % i * 20000)[::-1], i
	print("all")
	PY
	assert_output all
}

@test "-p: what can be wrong is said, and a stopped sandbox is off the host" {
	local port pid
	port=$(free_port)
	run "$GSH" run -s p -p "$port" -- true
	assert_failure 125
	assert_output --partial "$port is not of the form [ADDRESS:]HOST:IN"
	run "$GSH" run -s p -p "1:2:3:4" -- true
	assert_failure 125
	run "$GSH" run -s p -p "localhost:$port:80" -- true
	assert_failure 125
	assert_output --partial "numeric address"
	run "$GSH" run -s p -p "$port:0" -- true
	assert_failure 125
	/usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); print("up", flush=True); time.sleep(60)' "$port" >up 3>&- &
	pid=$!
	wait_for grep -q up up
	run "$GSH" run -s p -p "$port:80" -- true
	kill "$pid"
	assert_failure 125
	assert_output --partial "port $port of 127.0.0.1: somebody has it already"
	wait "$pid" || true
	# Nobody listens inside: the connection ends; and with the sandbox the port.
	"$GSH" run -s p -p "$port:80" -- true
	run /usr/bin/python3 -c 'import socket, sys
print(socket.create_connection(("127.0.0.1", int(sys.argv[1]))).recv(1))' "$port"
	assert_output "b''"
	"$GSH" stop p
	run /usr/bin/python3 -c 'import socket, sys; print(socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1]))))' "$port"
	assert_output 111
}
