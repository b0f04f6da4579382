// An agent behind Mastra's own server: createNodeServer is what the program that
// `mastra build` writes calls, with the same arguments.
import { Agent } from '@mastra/core/agent'
import { Mastra } from '@mastra/core/mastra'
import { createNodeServer, getToolExports } from '@mastra/deployer/server'

const { OPENAI_BASE_URL: url, OPENAI_API_KEY: apiKey, DRAIN_TIMEOUT } = process.env
const counter = new Agent({ id: 'counter', name: 'Counter', instructions: 'Count.', model: { id: 'openai/sample', url, apiKey } })
const mastra = new Mastra({
  agents: { counter },
  server: { drainTimeout: DRAIN_TIMEOUT ? Number(DRAIN_TIMEOUT) : undefined } // ms, 5000 by default
})
await createNodeServer(mastra, { tools: getToolExports([]) })
