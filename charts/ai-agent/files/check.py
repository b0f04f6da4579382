"""helm test in an image with Python: the same flags as `check` of the sample agent."""
import argparse
import os
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

DEADLINE = time.monotonic() + 60  # a new pod's node learns of a Service only after some time


def answers(url):
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return f"{url} answers {response.status}", response.status < 400
        except urllib.error.HTTPError as error:
            text, passed = f"{url} answers {error.code}", not urllib.parse.urlsplit(url).path  # no path to ask for
        except OSError as error:
            text, passed = f"{url}: {error}", False
        if passed or time.monotonic() > DEADLINE:
            return text, passed
        time.sleep(1)


def is_set(name):
    return f"{name} is {'set' if os.environ.get(name) else 'not set'}", bool(os.environ.get(name))


def is_blocked(address):
    host, _, port = address.rpartition(":")
    while True:  # a NetworkPolicy takes effect some time after the pod has started
        try:
            socket.create_connection((host, int(port)), timeout=3).close()
        except socket.gaierror as error:
            return f"{address}: {error}", False
        except OSError:
            return f"{address} is blocked", True
        if time.monotonic() > DEADLINE:
            return f"{address} can be reached", False
        time.sleep(1)


parser = argparse.ArgumentParser()
for flag in ("--url", "--env", "--unreachable"):
    parser.add_argument(flag, default="")
flags = parser.parse_args()
results = [answers(flags.url)] if flags.url else []
results += [is_set(name) for name in flags.env.split(",") if name]
results += [is_blocked(address) for address in flags.unreachable.split(",") if address]
for text, passed in results:
    print("ok  " if passed else "FAIL", text)
sys.exit(not all(passed for _, passed in results))
