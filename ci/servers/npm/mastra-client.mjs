// Asks an agent of Mastra's server for a run, streamed: mastra-client.mjs URL TOKENS
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { report } from './client.mjs'

const [url, tokens] = process.argv.slice(2)

await report(url, Number(tokens), async (token) => {
  const response = await fetch(new URL('/api/agents/counter/stream', url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ messages: 'count', modelSettings: { maxOutputTokens: Number(tokens) } })
  })
  if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`)
  for await (const line of createInterface({ input: Readable.fromWeb(response.body) })) {
    if (!line.startsWith('data: {')) continue
    const { type, payload } = JSON.parse(line.slice('data: '.length))
    if (type === 'error') throw new Error(JSON.stringify(payload))
    if (type === 'text-delta') token(payload.text)
  }
})
