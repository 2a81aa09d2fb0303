"""The plainest correct retrieval with LangChain: a folder of texts into OpenSearch, and the files for a question."""

import asyncio
from pathlib import Path

from langchain_aws import BedrockEmbeddings
from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_community.vectorstores import OpenSearchVectorSearch
from langchain_text_splitters import RecursiveCharacterTextSplitter
from timed import INDEX, PASSAGES, URL, Chunk, measure

EMBEDDINGS = BedrockEmbeddings(model_id="amazon.titan-embed-text-v2:0", dimensions=512)


class Plain:
    """As the documentation of `OpenSearchVectorSearch` begins, or with its method that asks for embeddings at once."""

    def ingest(self, folder: Path, at_once: bool) -> list[Chunk]:
        documents = DirectoryLoader(str(folder), loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"}).load()
        chunks = RecursiveCharacterTextSplitter(chunk_size=800, chunk_overlap=160).split_documents(documents)
        # The default engine is gone from OpenSearch 3, and more chunks than bulk_size are refused.
        where = {"opensearch_url": URL, "index_name": INDEX, "engine": "lucene", "bulk_size": len(chunks)}
        if at_once:
            self.store = asyncio.run(OpenSearchVectorSearch.afrom_documents(chunks, EMBEDDINGS, **where))
        else:
            self.store = OpenSearchVectorSearch.from_documents(chunks, EMBEDDINGS, **where)
        return [Chunk(chunk.page_content, chunk.metadata["source"]) for chunk in chunks]

    def search(self, question: str) -> list[str]:
        return [found.metadata["source"] for found in self.store.similarity_search(question, k=PASSAGES)]


if __name__ == "__main__":
    measure(Plain())
