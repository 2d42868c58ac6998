# Asks to be handed everything, and goes away.
python3 - <<'P'
import json, socket
s = socket.socket(socket.AF_UNIX)
s.connect("/run/director/control.sock")
s.sendall(b'{"version":1,"request":{"type":"hand_over","pid":1}}\n')
answer = json.loads(s.makefile().readline())
assert answer["response"]["type"] == "hand_over", answer
P
