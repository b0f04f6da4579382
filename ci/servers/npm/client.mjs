// What the clients in this folder share: they print what `agent ask --output json` prints,
// and end with its exit codes, so that tests read the runs of every client alike.
import { setTimeout as sleep } from 'node:timers/promises'

const print = (event) => console.log(JSON.stringify(event))

/** steady waits up to two minutes until a server has answered for ten seconds: nodes learn of a new Service one after the other. */
async function steady(url) {
  const deadline = Date.now() + 120_000
  for (let answers = 0; answers < 50 && Date.now() < deadline; await sleep(200)) {
    answers = await fetch(url).then(() => answers + 1, () => 0)
  }
}

/** report asks a server for a run of some tokens with ask(token), which calls token for each that arrives. */
export async function report(url, expected, ask) {
  await steady(url)
  let tokens = 0
  const token = (text) => {
    tokens++
    print({ event: 'token', text })
  }
  print({ event: 'started', run: '1' })
  let outcome = 'done', error = ''
  try {
    await ask(token)
    if (tokens !== expected) throw new Error(`the answer ended after ${tokens} of ${expected} tokens`)
  } catch (cause) {
    outcome = tokens > 0 ? 'interrupted' : 'unreachable'
    error = String(cause)
  }
  print({ event: 'ended', outcome, tokens, error })
  process.exit({ done: 0, interrupted: 3, unreachable: 5 }[outcome])
}
