// A Slack for tests: apps.connections.open, the envelopes of Socket Mode, and chat streams.
// POST /v1/runs mentions the bot, and is answered with the bot's stream as server-sent
// events. Slack spreads events over the connections of an app, and so does this.
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocketServer } from 'ws'

const bots = new Set() // connections
const threads = new Map() // runs by the timestamp of the mention

const event = (name, data) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

async function mention(max_tokens, response) {
  while (bots.size === 0) await sleep(200) // a bot has no probe that says when it is connected
  const [bot] = bots
  bots.delete(bot)
  bots.add(bot) // last: the next event goes to another connection
  const ts = `${Date.now()}.${String(threads.size).padStart(6, '0')}`
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(event('started', { run: ts }))
  const silent = () => response.end() // before the event done: an interrupted run
  threads.set(ts, { response, silent, timer: setTimeout(silent, 15_000) })
  bot.send(JSON.stringify({
    type: 'events_api', envelope_id: ts, accepts_response_payload: false,
    payload: {
      type: 'event_callback', team_id: 'T1', api_app_id: 'A1', event_id: ts, event_time: 0,
      authorizations: [{ team_id: 'T1', user_id: 'U1', is_bot: true }],
      event: { type: 'app_mention', user: 'U2', text: String(max_tokens), channel: 'C1', ts }
    }
  }))
}

const methods = {
  'auth.test': () => ({ user_id: 'U1', bot_id: 'B1', team_id: 'T1' }),
  'apps.connections.open': (_, host) => ({ url: `ws://${host}/link` }),
  'chat.startStream': ({ thread_ts }) => ({ ts: thread_ts }),
  'chat.appendStream': ({ ts }) => ({ ts }),
  'chat.stopStream': ({ ts }) => ({ ts })
}

// stream forwards what a bot has written.
function stream(method, call) {
  const run = threads.get(call.thread_ts ?? call.ts)
  if (!run) return
  run.timer.refresh()
  const texts = JSON.parse(call.chunks ?? '[]').map((chunk) => chunk.text)
  for (const text of [call.markdown_text, ...texts]) {
    if (text) run.response.write(event('token', { text }))
  }
  if (method === 'chat.stopStream') {
    clearTimeout(run.timer)
    run.response.end(event('done', {}))
  }
}

const server = http.createServer(async (request, response) => {
  let body = ''
  for await (const part of request) body += part
  if (request.url === '/v1/runs') return mention(JSON.parse(body).max_tokens, response)
  const method = request.url.replace('/api/', '')
  if (!methods[method]) return response.end('{"ok": false, "error": "unknown_method"}')
  const call = Object.fromEntries(new URLSearchParams(body))
  if (method.startsWith('chat.')) stream(method, call)
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ ok: true, ...methods[method](call, request.headers.host) }))
})

new WebSocketServer({ server, path: '/link' }).on('connection', (bot) => {
  bots.add(bot)
  bot.on('close', () => bots.delete(bot))
  bot.send(JSON.stringify({ type: 'hello', num_connections: bots.size }))
  const pings = setInterval(() => bot.ping(), 5000)
  bot.on('close', () => clearInterval(pings))
})
server.listen(process.env.PORT ?? 8080)
