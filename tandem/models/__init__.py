"""Chat, embedding and rerank models: three protocols, and one module for each service that is behind them.

chat      `ChatModel`: a conversation to a text
embed     `Embedder`: texts to vectors of length 1
rerank    `Reranker`: a question and texts to scores
bedrock, endpoint (SageMaker), openai (any OpenAI-compatible URL)
quirks    where single models differ from the rest of their service
errors    what a service's refusal or silence becomes

This room stands on the runtime and the contract alone; retrieval, evaluation and fine-tuning compose it.
"""
