// An agent of the OpenAI Agents SDK behind Express.
import { Agent, run, setOpenAIAPI, setTracingDisabled } from '@openai/agents'
import express from 'express'

setOpenAIAPI('chat_completions') // which every OpenAI-compatible server has
setTracingDisabled(true)

const app = express()
app.use(express.json())
app.get(['/health', '/ready'], (_, response) => response.send('ok'))
app.post('/v1/runs', async (request, response) => {
  const send = (name, data) => response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
  const agent = new Agent({ name: 'sample', model: 'sample', modelSettings: { maxTokens: request.body.max_tokens } })
  const stream = await run(agent, request.body.task, { stream: true })
  response.type('text/event-stream')
  send('started', { run: '1' })
  for await (const text of stream.toTextStream()) send('token', { text })
  send('done', { run: '1' })
  response.end()
})
const server = app.listen(process.env.PORT)
process.on('SIGTERM', () => server.close())
