// Asks LangGraph's API for a run with its SDK: langgraph-client.mjs URL TOKENS
import { Client } from '@langchain/langgraph-sdk'
import { report } from './client.mjs'

const [apiUrl, tokens] = process.argv.slice(2)

await report(apiUrl, Number(tokens), async (token) => {
  const client = new Client({ apiUrl })
  const { thread_id } = await client.threads.create()
  const run = client.runs.stream(thread_id, 'agent', {
    input: { messages: [{ role: 'human', content: 'count' }] },
    config: { configurable: { max_tokens: Number(tokens) } },
    streamMode: 'messages-tuple'
  })
  for await (const { event, data } of run) {
    if (event === 'error') throw new Error(JSON.stringify(data))
    if (event === 'messages' && data[0].content) token(data[0].content)
  }
})
