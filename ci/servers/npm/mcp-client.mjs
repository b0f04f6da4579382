// Calls the tool of an MCP server with the SDK's client: mcp-client.mjs URL TOKENS
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { report } from './client.mjs'

const [url, tokens] = process.argv.slice(2)

await report(url, Number(tokens), async (token) => {
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', url)))
  await client.callTool({ name: 'count', arguments: { to: Number(tokens) } }, undefined, {
    onprogress: ({ progress }) => token(`${progress} `),
    timeout: 15_000, // without any progress
    resetTimeoutOnProgress: true
  })
  await client.close()
})
