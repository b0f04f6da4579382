// helm test in an image with Node.js: the same flags as `check` of the sample agent.
const net = require('node:net')
const { parseArgs } = require('node:util')
const { setTimeout: sleep } = require('node:timers/promises')

const deadline = Date.now() + 60_000 // a new pod's node learns of a Service only after some time

async function answers(url) {
  for (;;) {
    const [text, passed] = await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
      (response) => [`answers ${response.status}`, response.ok || new URL(url).pathname === '/'], // no path to ask for
      (error) => [error.cause?.message ?? error.message, false],
    )
    if (passed || Date.now() > deadline) return [`${url}: ${text}`, passed]
    await sleep(1000)
  }
}

function connect(host, port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: 3000 })
    const end = (result) => socket.destroy() && resolve(result)
    socket.on('connect', () => end('reached'))
    socket.on('timeout', () => end('blocked'))
    socket.on('error', (error) => end(error.syscall === 'getaddrinfo' ? error.message : 'blocked'))
  })
}

async function isBlocked(address) {
  const [, host, port] = address.match(/^(.*):(\d+)$/)
  for (;;) { // a NetworkPolicy takes effect some time after the pod has started
    const result = await connect(host, port)
    if (result !== 'reached' || Date.now() > deadline) return [`${address}: ${result}`, result === 'blocked']
    await sleep(1000)
  }
}

async function main() {
  const text = { type: 'string', default: '' }
  const { values } = parseArgs({ options: { url: text, env: text, unreachable: text } })
  const list = (flag) => flag.split(',').filter(Boolean)
  const results = await Promise.all([
    ...(values.url ? [answers(values.url)] : []),
    ...list(values.env).map((name) => [`${name} is ${process.env[name] ? 'set' : 'not set'}`, !!process.env[name]]),
    ...list(values.unreachable).map(isBlocked),
  ])
  for (const [text, passed] of results) console.log(passed ? 'ok  ' : 'FAIL', text)
  process.exit(results.every(([, passed]) => passed) ? 0 : 1)
}

main()
