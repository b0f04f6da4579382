"""Asks Celery's workers for a run: ask_celery.py TOKENS. It prints what `agent ask --output json` prints."""
import json
import sys

from celery.exceptions import TimeoutError

from tasks import count

tokens = int(sys.argv[1])
received = 0


def show(**event):
    print(json.dumps(event), flush=True)


def progress(message):
    global received
    if message["status"] == "PROGRESS":
        received += 1
        show(event="token", text=message["result"]["text"])


show(event="started", run="1")
try:
    # A task that its worker has lost has no result, ever.
    answer = count.delay(tokens).get(on_message=progress, timeout=tokens / 5 + 120)
    end = {"outcome": "done", "tokens": answer, "error": ""}
except TimeoutError as error:
    end = {"outcome": "interrupted", "tokens": received, "error": str(error)}
show(event="ended", **end)
sys.exit(0 if end["outcome"] == "done" else 3)
