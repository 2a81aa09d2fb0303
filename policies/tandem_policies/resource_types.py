"""The types of resources that rules look at, by Pulumi's tokens.

Not `types.py`: the engine runs this folder as a program, and the name would hide the standard library's.
"""

# S3
BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
BUCKET_ACLS = ("aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2")
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
BUCKET_VERSIONING = ("aws:s3/bucketVersioning:BucketVersioning", "aws:s3/bucketVersioningV2:BucketVersioningV2")
PUBLIC_ACCESS_BLOCKS = (
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",
)

# OpenSearch and other stores
COLLECTION = "aws:opensearch/serverlessCollection:ServerlessCollection"
COLLECTION_GROUP = "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup"
DATABASES = ("aws:rds/cluster:Cluster", "aws:rds/instance:Instance")
DOMAIN = "aws:opensearch/domain:Domain"
FILE_SYSTEM = "aws:efs/fileSystem:FileSystem"
REPOSITORY = "aws:ecr/repository:Repository"
TABLE = "aws:dynamodb/table:Table"

DATA = (  # what holds it; not SageMaker's model package groups, which AWS keeps while there is a package in them
    *BUCKETS,
    TABLE,
    *DATABASES,
    COLLECTION,
    DOMAIN,
    REPOSITORY,
    FILE_SYSTEM,
)

# SageMaker
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
ENDPOINT_CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
INFERENCE_COMPONENT = "aws:cloudcontrol/resource:Resource"  # by its typeName
TRACKING_SERVER = "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer"

# Functions, queues and what calls them
EVENT_SOURCE = "aws:lambda/eventSourceMapping:EventSourceMapping"
FUNCTION = "aws:lambda/function:Function"
FUNCTION_URL = "aws:lambda/functionUrl:FunctionUrl"
METHOD = "aws:apigateway/method:Method"
PERMISSION = "aws:lambda/permission:Permission"
QUEUE = "aws:sqs/queue:Queue"
REDRIVE_POLICY = "aws:sqs/redrivePolicy:RedrivePolicy"
ROUTE = "aws:apigatewayv2/route:Route"
TOPIC = "aws:sns/topic:Topic"

# Instances and networks
CLUSTER = "aws:eks/cluster:Cluster"
DEFAULT_NETWORK_ACL = "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl"
DEFAULT_SECURITY_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INSTANCE = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
LISTENER = "aws:lb/listener:Listener"
NETWORK_ACL = "aws:ec2/networkAcl:NetworkAcl"
NETWORK_ACL_RULE = "aws:ec2/networkAclRule:NetworkAclRule"
NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
NODE_POOL = "kubernetes:karpenter.sh/v1:NodePool"
SCALING_TARGET = "aws:appautoscaling/target:Target"
SCALING_GROUP = "aws:autoscaling/group:Group"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
SECURITY_GROUP_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
SECURITY_GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"

# Accounts
BUDGET = "aws:budgets/budget:Budget"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
PARAMETER = "aws:ssm/parameter:Parameter"
ROLE = "aws:iam/role:Role"
