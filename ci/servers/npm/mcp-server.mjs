// An MCP server as the SDK's example simpleStreamableHttp.js has it: sessions are kept in
// the process, and the signal closes them.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

function mcpServer() {
  const server = new McpServer({ name: 'counter', version: '1.0.0' })
  server.registerTool('count', { inputSchema: { to: z.number() } }, async ({ to }, { sendNotification, _meta }) => {
    for (let progress = 1; progress <= to; progress++) {
      await sleep(200)
      await sendNotification({ method: 'notifications/progress', params: { progressToken: _meta.progressToken, progress, total: to } })
    }
    return { content: [{ type: 'text', text: String(to) }] }
  })
  return server
}

const sessions = new Map()

async function newSession() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id)
  })
  await mcpServer().connect(transport)
  return transport
}

const app = createMcpExpressApp({ host: '0.0.0.0' })
app.get('/health', (_, response) => response.send('ok'))
app.all('/mcp', async (request, response) => {
  const id = request.headers['mcp-session-id']
  const transport = id ? sessions.get(id) : await newSession()
  if (!transport) return response.status(404).json({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null })
  await transport.handleRequest(request, response, request.body)
})
app.listen(process.env.PORT)

process.on('SIGTERM', async () => {
  for (const transport of sessions.values()) await transport.close()
  process.exit(0)
})
