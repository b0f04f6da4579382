// A graph of one node, for langgraphjs.
import { MessagesAnnotation, StateGraph } from '@langchain/langgraph'
import { ChatOpenAI } from '@langchain/openai'

export const graph = new StateGraph(MessagesAnnotation)
  .addNode('model', async ({ messages }, { configurable }) => {
    const model = new ChatOpenAI({ model: 'sample', maxTokens: configurable.max_tokens, streaming: true })
    return { messages: [await model.invoke(messages)] }
  })
  .addEdge('__start__', 'model')
  .compile()
