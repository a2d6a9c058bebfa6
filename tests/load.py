# SPDX-License-Identifier: MIT
#
# load.py PORT REQUEST PATTERN: eight clients ask the server at that port of 127.0.0.1 again and again, a connection for each request
# (in which \\n and the like are escapes), until SIGTERM. Connections that fail count nothing: the server may be reading its
# configuration, or ending. Prints a line after the first 16 answers, and at the end one that says whether all of them, read until the
# server closed the connection, had a match of the pattern, a regular expression; or else the first that had none.
import re, signal, socket, sys, threading, time

port = int(sys.argv[1])
request = sys.argv[2].encode().decode('unicode_escape').encode('latin-1')
pattern = re.compile(sys.argv[3].encode(), re.S)
answers, wrong = [], []
end = threading.Event()

def ask():
    got = b''
    with socket.create_connection(('127.0.0.1', port), 20) as s:
        s.sendall(request)
        while data := s.recv(65536):
            got += data
    return got

def client():
    while not end.is_set():
        try:
            got = ask()
        except OSError:
            got = b''
        if not got:
            end.wait(0.01)
            continue
        if not pattern.search(got):
            wrong.append(got[:100])
        answers.append(None)
        if len(answers) == 16:
            print('answers', flush=True)
        time.sleep(0.002)

signal.signal(signal.SIGTERM, lambda *_: end.set())
clients = [threading.Thread(target=client) for _ in range(8)]
for t in clients:
    t.start()
end.wait()
for t in clients:
    t.join()
print('wrong: %r' % wrong[0] if wrong else 'all right')
