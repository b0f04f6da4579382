// An agent in Node.js, with the handler for SIGTERM that the preset asks for.
const http = require('node:http')
const { setTimeout: sleep } = require('node:timers/promises')

const event = (name, data) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

async function run(request, response) {
  let body = ''
  for await (const part of request) body += part
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(event('started', { run: '1' }))
  for (let number = 0; number < JSON.parse(body).max_tokens; number++) {
    await sleep(200)
    response.write(event('token', { text: `${number} ` }))
  }
  response.end(event('done', { run: '1' }))
}

const server = http.createServer((request, response) =>
  request.method === 'POST' ? run(request, response) : response.end('ok'))
server.listen(process.env.PORT)
process.on('SIGTERM', () => server.close())
