"""An agent as many write it: FastAPI and a stream. What happens at SIGTERM is left to its server."""
import asyncio
import json

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI()


@app.get("/health")
@app.get("/ready")
async def health():
    return {"status": "ok"}


def event(name, data):
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def answer(tokens):
    yield event("started", {"run": "1"})
    for number in range(tokens):
        await asyncio.sleep(0.2)
        yield event("token", {"text": f"{number} "})
    yield event("done", {"run": "1"})


@app.post("/v1/runs")
async def run(request: Request):
    body = await request.json()
    return StreamingResponse(answer(body["max_tokens"]), media_type="text/event-stream")
