"""What hostile code tries. Each attempt prints ESCAPED where it gets what it wants; failing is what it should do.

Places in capitals are filled in by `SandboxGround`. An attempt proves nothing unless it works without a sandbox, so all
but those of `NEEDS_MORE_THAN_A_PROCESS` are also run without one.
"""

from __future__ import annotations

FILES = {
    "read a file of the machine": "if 'root' in open('/etc/passwd').read(): print('ESCAPED')",
    "read a file outside": "if CANARY in open(SECRET).read(): print('ESCAPED')",
    "read a file outside by a path from here": """
import os
if CANARY in open('../' * 30 + SECRET.lstrip('/')).read(): print('ESCAPED')""",
    "read the worker's code": "if open(CODE).read(): print('ESCAPED')",
    "import the worker's code": "import roadworthy; print('ESCAPED')",
    "import the worker's packages": "import structlog; print('ESCAPED')",
    "list a folder outside": "import os\nif os.listdir(OUTSIDE): print('ESCAPED')",
    "list the root": "import os\nif os.listdir('/'): print('ESCAPED')",
    "list other runs": "import os\nif os.listdir(TEMPORARY): print('ESCAPED')",
    "walk outside": "import os\nif list(os.walk(OUTSIDE)): print('ESCAPED')",
    "go outside and read there": "import os\nos.chdir(OUTSIDE)\nif CANARY in open('secret').read(): print('ESCAPED')",
    "write outside": "open(OUTSIDE + '/written', 'w').write('x'); print('ESCAPED')",
    "add to a file outside": "open(SECRET, 'a').write('x'); print('ESCAPED')",
    "empty a file outside": "import os\nos.truncate(OUTSIDE + '/to-empty', 0); print('ESCAPED')",
    "empty a file outside while reading": """
import os
os.open(OUTSIDE + '/to-empty', os.O_RDONLY | os.O_TRUNC); print('ESCAPED')""",
    "delete a file outside": "import os\nos.unlink(OUTSIDE + '/to-delete'); print('ESCAPED')",
    "move a file outside": "import os\nos.rename(OUTSIDE + '/to-move', OUTSIDE + '/moved'); print('ESCAPED')",
    "move a file in": "import os\nos.rename(OUTSIDE + '/to-fetch', 'fetched'); print('ESCAPED')",
    "make a folder outside": "import os\nos.mkdir(OUTSIDE + '/made'); print('ESCAPED')",
    "read through a symbolic link": """
import os
os.symlink(SECRET, 'link')
if CANARY in open('link').read(): print('ESCAPED')""",
    "read through a hard link": """
import os
os.link(SECRET, 'hard')
if CANARY in open('hard').read(): print('ESCAPED')""",
    "change permissions outside": """
import os
os.chmod(SECRET, 0o640)
if os.stat(SECRET).st_mode & 0o777 == 0o640: print('ESCAPED')""",
    "change times outside": """
import os
os.utime(SECRET, (1, 1))
if os.stat(SECRET).st_mtime == 1: print('ESCAPED')""",
    "set an extended attribute outside": "import os\nos.setxattr(SECRET, 'user.x', b'1'); print('ESCAPED')",
    "write into shared memory": "open('/dev/shm/roadworthy-escape', 'w').write('x'); print('ESCAPED')",
    "open a device": "open('/dev/zero', 'rb').read(1); print('ESCAPED')",
    "make a pipe with a name": "import os\nos.mkfifo('pipe'); print('ESCAPED')",
    "read with the C library": """
import ctypes, os
libc = ctypes.CDLL(None)
if CANARY.encode() in os.read(libc.open(SECRET.encode(), 0), 100): print('ESCAPED')""",
    "read with the kernel's own call": """
import ctypes, os
libc = ctypes.CDLL(None)
if CANARY.encode() in os.read(libc.syscall(OPENAT, -100, SECRET.encode(), 0), 100): print('ESCAPED')""",
    "read what the worker has open": """
import os
for number in range(3, 1024):
    try:
        if CANARY.encode() in os.pread(number, 100, 0): print('ESCAPED')
    except OSError:
        pass""",
}

NETWORK = {
    "connect": "import socket\nsocket.create_connection(('127.0.0.1', TCP_PORT), 2); print('ESCAPED')",
    "send a datagram": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', UDP_PORT)); print('ESCAPED')""",
    "listen": "import socket\nsocket.create_server(('127.0.0.1', 0)); print('ESCAPED')",
    "connect over IPv6": "import socket\nsocket.socket(socket.AF_INET6); print('ESCAPED')",
    "connect to a socket with a path": """
import socket
socket.socket(socket.AF_UNIX).connect(SOCKET_PATH); print('ESCAPED')""",
    "connect to an abstract socket": """
import socket
socket.socket(socket.AF_UNIX).connect('\\0' + ABSTRACT_NAME); print('ESCAPED')""",
    "send from one of a pair": """
import socket
socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', DATAGRAM_PATH); print('ESCAPED')""",
    "look up a name": "import socket\nsocket.getaddrinfo('localhost', 80); print('ESCAPED')",
    "fetch a page": """
import urllib.request
try:
    urllib.request.urlopen(f'http://127.0.0.1:{TCP_PORT}/', timeout=0.5)
except TimeoutError:
    print('ESCAPED')""",
    "ask the kernel for its routes": """
import socket
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); print('ESCAPED')""",
    "connect with the kernel's own call": """
import ctypes
if ctypes.CDLL(None).syscall(SOCKET, 2, 1, 0) >= 0: print('ESCAPED')""",
}

ENVIRONMENT = {
    "read the environment": "import os\nif CANARY in str(dict(os.environ)): print('ESCAPED')",
    "ask for a variable": "import os\nif os.getenv('ROADWORTHY_ESCAPE'): print('ESCAPED')",
    "read the environment that it was started with": """
if CANARY in open('/proc/self/environ').read(): print('ESCAPED')""",
    "read another process's environment": """
if CANARY in open(f'/proc/{VICTIM}/environ').read(): print('ESCAPED')""",
}

PROCESSES = {
    "fork": "import os\nif os.fork() == 0: os._exit(0)\nprint('ESCAPED')",
    "run a program": "import subprocess\nsubprocess.run(['/bin/true'], check=True); print('ESCAPED')",
    "run a shell": "import os\nif os.system('true') == 0: print('ESCAPED')",
    "become a program": "import os\nos.execv('/bin/echo', ['echo', 'ESCAPED'])",
    "spawn a program": "import os\nos.posix_spawn('/bin/true', ['true'], {}); print('ESCAPED')",
    "run a shell by way of all classes": """
for each in ().__class__.__base__.__subclasses__():
    if each.__name__ == '_wrap_close':
        if each.__init__.__globals__['system']('true') == 0: print('ESCAPED')""",
    "run a shell with the C library": """
import ctypes
if ctypes.CDLL(None).system(b'true') == 0: print('ESCAPED')""",
    "fork with the kernel's own call": """
import ctypes, os
made = ctypes.CDLL(None).syscall(CLONE, 17, 0, 0, 0, 0)
if made == 0: os._exit(0)
if made > 0: print('ESCAPED')""",
    "have a thread with open files of its own": """
import ctypes
if ctypes.CDLL(None).syscall(CLOSE_RANGE, 1000, 1001, 2) == 0: print('ESCAPED')""",
    "list processes": "import os\nif any(name.isdigit() for name in os.listdir('/proc')): print('ESCAPED')",
    "read its own memory": "open('/proc/self/mem', 'rb').close(); print('ESCAPED')",
    "read the worker's memory": "open(f'/proc/{WORKER}/mem', 'rb').close(); print('ESCAPED')",
    "copy from another process": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(8)
class Piece(ctypes.Structure):
    _fields_ = [('at', ctypes.c_void_p), ('size', ctypes.c_size_t)]
here, there = Piece(ctypes.addressof(buffer), 8), Piece(1, 8)
libc.process_vm_readv(VICTIM, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
if ctypes.get_errno() == 14: print('ESCAPED')""",
    "see whether another process lives": "import os\nos.kill(VICTIM, 0); print('ESCAPED')",
    "signal the worker": "import os\nos.kill(WORKER, 0); print('ESCAPED')",
    "signal its parent": "import os\nos.kill(os.getppid(), 0); print('ESCAPED')",
    "signal its group": "import os\nos.killpg(os.getpgid(VICTIM), 0); print('ESCAPED')",
    "hold on to another process": "import os\nos.pidfd_open(VICTIM); print('ESCAPED')",
    "trace another process": """
import ctypes
libc = ctypes.CDLL(None)
if libc.ptrace(0x4206, VICTIM, None, None) == 0: print('ESCAPED')""",
    "slow another process down": "import os\nos.setpriority(os.PRIO_PROCESS, VICTIM, 5); print('ESCAPED')",
    "move another process": "import os\nos.sched_setaffinity(VICTIM, os.sched_getaffinity(0)); print('ESCAPED')",
    "limit another process": """
import resource
resource.prlimit(VICTIM, resource.RLIMIT_CORE, (0, 0)); print('ESCAPED')""",
    "share memory": """
from multiprocessing.shared_memory import SharedMemory
memory = SharedMemory(create=True, size=10)
memory.close(); memory.unlink(); print('ESCAPED')""",
    "make a semaphore": "import multiprocessing\nmultiprocessing.Semaphore(); print('ESCAPED')",
    "share memory as System V did": """
import ctypes
libc = ctypes.CDLL(None)
made = libc.shmget(0, 4096, 0o1600)
if made >= 0:
    libc.shmctl(made, 0, None); print('ESCAPED')""",
    "make a queue of messages": """
import ctypes
libc = ctypes.CDLL(None)
made = libc.msgget(0, 0o1600)
if made >= 0:
    libc.msgctl(made, 0, None); print('ESCAPED')""",
    "keep memory under no name": "import os\nos.memfd_create('x'); print('ESCAPED')",
}

KERNEL = {
    "become root": "import os\nos.setuid(0)\nif os.getuid() == 0: print('ESCAPED')",
    "make a namespace": """
import ctypes
if ctypes.CDLL(None).unshare(0x10000000) == 0: print('ESCAPED')""",
    "enter a namespace": """
import ctypes, os
if ctypes.CDLL(None).setns(os.open(f'/proc/{VICTIM}/ns/net', 0), 0) == 0: print('ESCAPED')""",
    "mount": """
import ctypes
if ctypes.CDLL(None).mount(b'none', b'.', b'tmpfs', 0, None) == 0: print('ESCAPED')""",
    "change the root": "import os\nos.chroot('.'); print('ESCAPED')",
    "keep a key": """
import ctypes
if ctypes.CDLL(None).syscall(ADD_KEY, b'user', b'x', b'x', 1, -3) > 0: print('ESCAPED')""",
    "load a program into the kernel": """
import ctypes
if ctypes.CDLL(None).syscall(BPF, 0, bytes(128), 128) >= 0: print('ESCAPED')""",
    "open a ring to the kernel": """
import ctypes
if ctypes.CDLL(None).syscall(IO_URING_SETUP, 1, ctypes.create_string_buffer(256)) >= 0: print('ESCAPED')""",
    "watch for events of the processor": """
import ctypes
if ctypes.CDLL(None).syscall(PERF_EVENT_OPEN, bytes(128), 0, -1, -1, 0) >= 0: print('ESCAPED')""",
    "handle faults of pages": """
import ctypes
if ctypes.CDLL(None).syscall(USERFAULTFD, 1) >= 0: print('ESCAPED')""",
    "use the other table of calls": """
import ctypes
if ctypes.CDLL(None).syscall(0x40000000 + 39) > 0: print('ESCAPED')""",
    "raise its own limits": """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 61)); print('ESCAPED')""",
}

ATTEMPTS = {"files": FILES, "network": NETWORK, "environment": ENVIRONMENT, "processes": PROCESSES, "kernel": KERNEL}

NEEDS_MORE_THAN_A_PROCESS = frozenset(
    {
        *KERNEL,
        # Of the machine that the tests run on, and of what it lets anybody do.
        "fetch a page",
        "read the worker's memory",
        "trace another process",
        "set an extended attribute outside",
        "share memory as System V did",
        "make a queue of messages",
    }
)

NUMBERS = {
    "x86_64": {
        **{"OPENAT": 257, "SOCKET": 41, "CLONE": 56, "ADD_KEY": 248, "BPF": 321, "IO_URING_SETUP": 425},
        **{"PERF_EVENT_OPEN": 298, "USERFAULTFD": 323, "CLOSE_RANGE": 436},
    },
    "aarch64": {
        **{"OPENAT": 56, "SOCKET": 198, "CLONE": 220, "ADD_KEY": 217, "BPF": 280, "IO_URING_SETUP": 425},
        **{"PERF_EVENT_OPEN": 241, "USERFAULTFD": 282, "CLOSE_RANGE": 436},
    },
}
"""Of system calls."""
