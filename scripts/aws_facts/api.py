"""API Gateway."""

from .fact import Fact

ROWS = [
    Fact(
        key="api-29-seconds",
        fact="API Gateway gives up on a regional REST API's integration after 29 seconds",
        sure="documented",
        source='API Gateway developer guide, "Quotas"',
        read="2026-11",
        tested="unit/components/test_rag_environment.py::test_api_asks_for_a_signature_and_answers_before_the_gateway_gives_up",
    ),
    Fact(
        key="api-redeploy",
        fact="A changed method, integration or authorizer is served only after another deployment",
        sure="documented",
        source='API Gateway developer guide, "Deploying REST APIs"',
        read="2026-11",
        probe="another userPoolArn: the old pool's token is refused",
    ),
    Fact(
        key="api-id-tokens",
        fact="Without a scope, a method with a user pool takes identity tokens; with one, access tokens",
        sure="documented",
        source="API reference, Method.authorizationScopes",
        read="2026-11",
        tested="unit/components/test_rag_environment.py::test_jwt_uses_the_user_pool",
        probe="a question with each kind of token",
    ),
    Fact(
        key="api-method-metrics-bill",
        fact="Metrics by method bill as custom ones; those by API and stage don't",
        sure="documented",
        source="API Gateway pricing; CloudWatch pricing",
        read="2026-11",
    ),
]
