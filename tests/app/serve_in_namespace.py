"""Run by test_command.py in a network namespace of its own: the app, and who tried to leave."""

import http.cookiejar
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from helpers.namespace import attempts, devices, loopback_up  # noqa: E402


def main() -> int:
    loopback_up()
    from nst_lightning.app import jobs, server
    from nst_lightning.app.choices import Choices

    said: list[str] = []
    running: list[jobs.Jobs] = []
    found = {"devices": devices(), "status": 0, "phase": ""}
    server.say = said.append  # type: ignore[assignment]
    begin = jobs.Jobs.__post_init__

    def noted(self: jobs.Jobs) -> None:
        running.append(self)
        begin(self)

    jobs.Jobs.__post_init__ = noted  # type: ignore[method-assign]

    def look() -> None:
        while not (address := re.search(r"http://\S+", "\n".join(said))):
            time.sleep(0.1)
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        with opener.open(address[0]) as page:
            found["status"] = page.status
        (queue,) = running
        queue.add(jobs.Job("sample:cat", "sample:klimt", "it", Choices("colours_only", size=64)))
        while queue.state.busy:
            time.sleep(0.1)
        found["phase"] = queue.state.phase
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, daemon=True).start()
    server.serve(Path(sys.argv[1]), "127.0.0.1", None, browser=False)
    found["tried"] = attempts()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        outside.connect_ex(("192.0.2.1", 9))
    found["control"] = attempts()
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
