"""The plainest correct retrieval with LlamaIndex: a folder of texts into OpenSearch, and the files for a question."""

from pathlib import Path

from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.bedrock import BedrockEmbedding
from llama_index.vector_stores.opensearch import OpensearchVectorClient, OpensearchVectorStore
from timed import INDEX, PASSAGES, URL, Chunk, measure

EMBEDDINGS = BedrockEmbedding(model_name="amazon.titan-embed-text-v2:0", additional_kwargs={"dimensions": 512})


class Plain:
    """As the documentation of `OpensearchVectorStore` begins, or asking for embeddings at once, of the text alone."""

    def ingest(self, folder: Path, at_once: bool) -> list[Chunk]:
        documents = SimpleDirectoryReader(str(folder), recursive=True).load_data()
        if at_once:
            for document in documents:  # by default its path is part of what is embedded, which finds less
                document.excluded_embed_metadata_keys.append("file_path")
                document.excluded_llm_metadata_keys.append("file_path")
        chunks = SentenceSplitter(chunk_size=200, chunk_overlap=40).get_nodes_from_documents(documents)
        store = OpensearchVectorStore(OpensearchVectorClient(URL, INDEX, 512, engine="lucene"))
        storage = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex(chunks, storage_context=storage, embed_model=EMBEDDINGS, use_async=at_once)
        self.retriever = index.as_retriever(similarity_top_k=PASSAGES)
        return [Chunk(chunk.get_content(), chunk.metadata["file_path"]) for chunk in chunks]

    def search(self, question: str) -> list[str]:
        return [found.node.metadata["file_path"] for found in self.retriever.retrieve(question)]


if __name__ == "__main__":
    measure(Plain())
