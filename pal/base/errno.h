/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Error numbers as Linux x86-64 has them, and the ones that stay inside: restart codes never reach a guest. */
#ifndef PAL_BASE_ERRNO_H
#define PAL_BASE_ERRNO_H

#include <asm/errno.h>

/* Linux, include/linux/errno.h: how an interrupted call goes on. */
#define ERESTARTSYS 512		   /* restart if the handler has SA_RESTART or there is none, else EINTR */
#define ERESTARTNOINTR 513	   /* always restart */
#define ERESTARTNOHAND 514	   /* restart if there is no handler, else EINTR */
#define ERESTART_RESTARTBLOCK 516  /* as NOHAND, but with adjusted arguments (relative sleeps) */

#endif
