// A Slack bot with Bolt in Socket Mode, and the handler of SIGTERM that the preset asks for.
// With EXIT=yes, the handler ends the program, too.
import { setTimeout as sleep } from 'node:timers/promises'
import bolt from '@slack/bolt'

const app = new bolt.App({
  socketMode: true,
  token: process.env.SLACK_BOT_TOKEN,
  appToken: process.env.SLACK_APP_TOKEN,
  clientOptions: { slackApiUrl: process.env.SLACK_API_URL }
})

app.event('app_mention', async ({ event, client }) => {
  const stream = client.chatStream({ channel: event.channel, thread_ts: event.ts, buffer_size: 1 })
  for (let number = 0; number < Number(event.text); number++) {
    await sleep(200)
    await stream.append({ markdown_text: `${number} ` })
  }
  await stream.stop()
})

await app.start()
process.on('SIGTERM', async () => {
  await app.stop() // takes no more events; the program ends with the last one that it has taken
  if (process.env.EXIT) process.exit(0)
})
