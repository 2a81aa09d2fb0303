# The `pulumi` of the local cloud: becomes the pulumi $1, with the arguments after $2, and leaves the checkout's stack
# files as they are. Pulumi keeps the salt of its passphrase encryption in the stack file, and each operation on a stack
# whose file has none rewrites that file (SecretsManagerShouldSave in pkg/cmd/pulumi/stack/secrets.go). A local stack's
# salt belongs to the local state: operations take it from there, and get a copy of the file to write into, in the folder
# of the local cloud: TANDEM_LOCAL_HOME, or $2.
pulumi=$1 copies=${TANDEM_LOCAL_HOME:-$2}/stacks folder=$PWD stack=$PULUMI_STACK previous="" operation="" own_file=""
shift 2
for argument; do
    case $previous in
        -s | --stack) stack=$argument ;;
        -C | --cwd) folder=$(cd "$argument" && pwd) ;;
    esac
    case $argument in
        -s=* | --stack=*) stack=${argument#*=} ;;
        -C=* | --cwd=*) folder=$(cd "${argument#*=}" && pwd) ;;
        config | -c | --config | --config=* | --config-file | --config-file=*) own_file=true ;;
        up | update | preview | pre | destroy | down | dn | refresh | import | watch) operation=true ;;
    esac
    previous=$argument
done
if [ "$operation" ]; then
    [ "$stack" ] || stack=$("$pulumi" stack --show-name --cwd "$folder" --non-interactive 2>/dev/null)
    [ "$stack" ] && export PULUMI_STACK="${stack##*/}" # which policy packs read; the official Python host sets it
fi
if [ "$operation" ] && [ ! "$own_file" ]; then
    while [ ! -e "$folder/Pulumi.yaml" ] && [ "$folder" ]; do folder=${folder%/*}; done
    settings=$(sed -n 's/^stackConfigDir: *//p' "$folder/Pulumi.yaml" 2>/dev/null | tr -d "'\"")
    file=$folder/${settings:-.}/Pulumi.${stack##*/}.yaml
    PULUMI_OPTION_CONFIG_FILE=$copies/$(echo "$file" | tr / -)
    export PULUMI_OPTION_CONFIG_FILE
    mkdir -p "$copies"
    cat "$file" >"$PULUMI_OPTION_CONFIG_FILE" 2>/dev/null
fi
exec "$pulumi" "$@"
