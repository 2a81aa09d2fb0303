"""A project of one stack that the real engine deploys to an emulator."""

import subprocess

PROJECT = """
name: small
runtime: python
stackConfigDir: stacks
"""
STACK = "# Left as it is, with its comments and its spaces.\nconfig:\n  small:days:   7\n"


class Project:
    """A project with the stack `dev`, whose state is in its folder."""

    def __init__(self, environment, folder, emulator, program):
        (folder / "stacks").mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text(PROJECT)
        (folder / "__main__.py").write_text(program)
        (folder / "stacks" / "Pulumi.dev.yaml").write_text(STACK)
        (folder / "state").mkdir()
        self.folder, self.environment = (
            folder,
            environment
            | {
                "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
                "AWS_ENDPOINT_URL": emulator,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
            },
        )

    def start(self, *arguments):
        command = ["pulumi", *arguments, "--stack", "dev", "--non-interactive"]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, **options)

    def run(self, *arguments, code=0):
        with self.start(*arguments) as process:
            output, _ = process.communicate(timeout=300)
        assert process.returncode == code, output
        return output

    def configured(self, text):
        (self.folder / "stacks" / "Pulumi.dev.yaml").write_text(STACK.replace("7", text))
