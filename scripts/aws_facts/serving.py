"""Serving: SageMaker's endpoints."""

from .fact import Fact

ROWS = [
    Fact(
        key="endpoint-cuda-13",
        fact="Images of CUDA 13 need the host image al2023-ami-sagemaker-inference-gpu-4-1",
        sure="documented",
        source="SageMaker API reference, ProductionVariant, InferenceAmiVersion",
        read="2026-11",
        tested="unit/components/test_inference_endpoint.py::test_the_host_is_the_oldest_with_the_images_cuda",
        probe="a promoted model",
    ),
    Fact(
        key="endpoint-zero-wakes",
        fact="A request to a component without copies is a ValidationError and a NoCapacityInvocationFailure, which "
        "starts one within minutes",
        sure="documented",
        source='SageMaker developer guide, "Scale an endpoint to zero instances"',
        read="2026-11",
        tested="unit/components/test_inference_endpoint.py::test_the_model_is_a_component_whose_failed_requests_wake_it",
        probe="a request to an endpoint that sleeps",
    ),
    Fact(
        key="endpoint-zero-sleeps",
        fact="The last copy goes after about 15 minutes without requests",
        sure="seen by others",
        source="the developer guide; stdapi-ai/stdapi.ai#43 measured about 25",
        read="2026-11",
        probe="an endpoint that nobody asks",
    ),
    Fact(
        key="endpoint-component-logs",
        fact="Inference components write their logs to /aws/sagemaker/InferenceComponents/NAME",
        sure="seen by others",
        source="six or so public files; no page of AWS's was found",
        read="2026-11",
        probe="an endpoint that scales to zero",
    ),
    Fact(
        key="endpoint-gone-updates",
        fact="UpdateEndpoint on an endpoint that is gone is ValidationException; the provider's destroy takes it so",
        sure="guess",
        source="the provider's source; AWS's answer from memory",
        read="2026-11",
    ),
    Fact(
        key="endpoint-failed-first",
        fact="A second `up` reports success with an endpoint that Failed at first",
        sure="guess",
        source="the provider updates an endpoint only where the configuration changes",
        read="2026-11",
    ),
    Fact(
        key="lmi-defaults",
        fact="LMI without serving.properties serves the folder as one model, asynchronously by vLLM, in OpenAI's form",
        sure="seen by others",
        source="djl-serving's source: ModelStore, ModelInfo, LmiConfigRecommender, vllm_async_service",
        read="2026-11",
        probe="a promoted model",
    ),
]
