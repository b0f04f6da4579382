"""An agent as a Celery task. What happens at SIGTERM is left to the worker."""
import os
import time

from celery import Celery

app = Celery("tasks", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(worker_concurrency=4, worker_prefetch_multiplier=1)


@app.task(bind=True)
def count(self, tokens):
    for number in range(tokens):
        time.sleep(0.2)
        self.update_state(state="PROGRESS", meta={"text": f"{number} "})
    return tokens
