#!/usr/bin/env bash
# Makes what one collector needs in AWS IoT Core: a thing, a certificate, and a policy for one client id and one topic tree.
#
#   provision.sh csr NAME                       only a key and a certificate signing request, on the collector
#   provision.sh create NAME [--csr FILE]       everything; again, it changes only what is missing or different
#   provision.sh undo NAME                      takes it all back; the key stays on this machine
#
# NAME is the thing, the client id, and the last level of the topic tree power/NAME. Options:
#   --directory DIR    where the files go, by default ./aws-iot-NAME
#   --prefix TOPIC     another topic tree than power/NAME
#   --csr FILE         a request that was made elsewhere: then there is no key on this machine
#   --dry-run          says what would be changed, and changes nothing (it does ask AWS what is there)
#
# Needs the AWS CLI (version 1.28 or 2.13 and later) with the rights in README.md, and openssl. The key is made here and
# never leaves this machine.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Of the package ca-certificates; AWS signs its servers' certificates with it.
amazon_root_ca=${AMAZON_ROOT_CA:-/usr/share/ca-certificates/mozilla/Amazon_Root_CA_1.crt}
export AWS_PAGER=""
# Version 1 of the CLI knows the second name only.
[ -z "${AWS_REGION:-}" ] || export AWS_DEFAULT_REGION=$AWS_REGION

die() {
    echo "provision.sh: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set /{/^# \{0,1\}/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit "$1"
}

say() {
    echo "$*" >&2
}

# Asks AWS; what it says is in $answer. Fails when there is no such thing, and ends with AWS's words at any other failure.
ask() {
    local said complaint=0
    said=$(aws "$@" --output text 2>&1) || complaint=$?
    answer=$said
    [ "$answer" != None ] || answer=""
    [ "$complaint" -ne 0 ] || return 0
    [[ "$said" == *ResourceNotFoundException* ]] || die "aws $1 $2: $(tr '\n' ' ' <<<"$said")"
    return 1
}

# Changes something at AWS, or says so.
change() {
    if [ "$dry_run" = yes ]; then
        say "would run: aws $*"
    else
        aws "$@" --output text >/dev/null || die "aws $1 $2 failed"
    fi
}

# --- On this machine -----------------------------------------------------------------------------------------------

# Only the service of the user "telegraf" may read the key.
protect() {
    chmod 0640 "$1"
    if [ "$(id -u)" -eq 0 ] && getent group telegraf >/dev/null; then
        chgrp telegraf "$1"
    fi
}

make_request() {
    if [ -e "$key" ] && [ -e "$request" ]; then
        say "key and request are there: $directory"
        return
    fi
    if [ "$dry_run" = yes ]; then
        say "would make a key and a request: $directory"
        return
    fi
    mkdir -p "$directory"
    [ -e "$key" ] || (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$key") || die "openssl could not make a key"
    protect "$key"
    openssl req -new -key "$key" -subj "/CN=$name" -out "$request" || die "openssl could not make a request"
    say "made a key and a request: $request"
}

# What Telegraf reads: certificate, authority, and the environment for /etc/default/telegraf.
write_files() {
    local endpoint=$1
    cat >"$directory/telegraf.env" <<END
AWS_IOT_ENDPOINT=$endpoint
AWS_IOT_CLIENT_ID=$name
MQTT_TOPIC_PREFIX=$prefix
END
    if [ -r "$amazon_root_ca" ]; then
        cp "$amazon_root_ca" "$directory/AmazonRootCA1.pem"
    else
        say "$amazon_root_ca is not here: install the package ca-certificates, and copy it to $directory/AmazonRootCA1.pem"
    fi
}

# --- At AWS --------------------------------------------------------------------------------------------------------

# The policy as AWS gets it, on one line: what is sent can then be held against what is there.
policy_document() {
    sed -e "s|PARTITION|$partition|; s|REGION|$region|; s|ACCOUNT|$account|; s|CLIENT_ID|$name|; s|TOPIC_PREFIX|$prefix|" \
        "$here/policy.json" | tr -d '\n' | sed 's/  */ /g'
}

# Whose account this is, and where.
find_account() {
    ask sts get-caller-identity --query '[Account,Arn]' || die "AWS does not say whose account this is"
    read -r account partition <<<"$answer"
    partition=$(cut -d : -f 2 <<<"$partition")
    region=${AWS_DEFAULT_REGION:-$(aws configure get region || true)}
    [ -n "$region" ] || die "no region; set AWS_REGION"
}

create_policy() {
    local wanted oldest
    wanted=$(policy_document)
    if ! ask iot get-policy --policy-name "$policy" --query policyDocument; then
        change iot create-policy --policy-name "$policy" --policy-document "$wanted"
    elif [ "$answer" != "$wanted" ]; then
        # AWS keeps five versions at most.
        ask iot list-policy-versions --policy-name "$policy" --query 'policyVersions[?!isDefaultVersion].versionId' || true
        if [ "$(wc -w <<<"$answer")" -ge 4 ]; then
            oldest=$(tr '[:space:]' '\n' <<<"$answer" | grep . | sort -n | head -1)
            change iot delete-policy-version --policy-name "$policy" --policy-version-id "$oldest"
        fi
        change iot create-policy-version --policy-name "$policy" --policy-document "$wanted" --set-as-default
    fi
}

# The ARNs of the thing's certificates, and of the one that this machine has made, in $answer.
find_certificates() {
    ask iot list-thing-principals --thing-name "$name" --query principals || answer=""
    attached=$answer
    answer=$( (tr '[:space:]' '\n' <<<"$answer" && cat "$arn_file" 2>/dev/null) | grep arn: | sort -u || true)
}

# Finds the certificate that belongs to our key: its ARN is in $arn, its text in $pem.
find_own_certificate() {
    local wanted
    wanted=$(openssl req -in "$request" -noout -pubkey 2>/dev/null) || return 1
    find_certificates
    for arn in $answer; do
        ask iot describe-certificate --certificate-id "${arn##*/}" --query certificateDescription.certificatePem || continue
        pem=$answer
        # What this machine noted after it had made the request, or what has our key.
        [[ "$arn_file" -nt "$request" && "$(cat "$arn_file")" == "$arn" ]] && return 0
        [ "$(openssl x509 -noout -pubkey 2>/dev/null <<<"$pem")" != "$wanted" ] || return 0
    done
    return 1
}

create_certificate() {
    if find_own_certificate; then
        ask iot describe-certificate --certificate-id "${arn##*/}" --query certificateDescription.status || true
        [ "$answer" = ACTIVE ] || change iot update-certificate --certificate-id "${arn##*/}" --new-status ACTIVE
    elif [ "$dry_run" = yes ]; then
        say "would run: aws iot create-certificate-from-csr --certificate-signing-request file://$request --set-as-active"
        arn=ARN pem=""
    else
        ask iot create-certificate-from-csr --certificate-signing-request "file://$request" --set-as-active \
            --query '[certificateArn,certificatePem]' || die "AWS makes no certificate from $request"
        arn=${answer%%[[:space:]]*} pem=${answer#*[[:space:]]}
    fi
    [ "$dry_run" = yes ] || { printf '%s\n' "$arn" >"$arn_file" && printf '%s\n' "$pem" >"$certificate"; }
    attach
}

# Policy to certificate, certificate to thing. Neither is there to be asked for while nothing has been created.
attach() {
    answer=""
    [ "$arn" = ARN ] || ask iot list-attached-policies --target "$arn" --query 'policies[].policyName' || true
    [[ " $(tr '[:space:]' ' ' <<<"$answer") " == *" $policy "* ]] ||
        change iot attach-policy --policy-name "$policy" --target "$arn"
    [[ "$attached" == *"$arn"* ]] || change iot attach-thing-principal --thing-name "$name" --principal "$arn"
}

create() {
    find_account
    if [ -z "$csr" ]; then make_request; fi
    [ "$dry_run" = yes ] || [ -r "$request" ] || die "$request cannot be read"
    [ "$dry_run" = yes ] || mkdir -p "$directory"
    ask iot describe-thing --thing-name "$name" --query thingArn || change iot create-thing --thing-name "$name"
    create_policy
    create_certificate
    ask iot describe-endpoint --endpoint-type iot:Data-ATS --query endpointAddress || die "AWS names no endpoint"
    if [ "$dry_run" = yes ]; then
        say "would write $directory/telegraf.env for the endpoint $answer"
        return
    fi
    write_files "$answer"
    say "$name may connect, and publish below $prefix/. Now, on the collector:"
    say "  put AmazonRootCA1.pem and certificate.pem.crt of $directory, and the key, into /etc/telegraf/aws-iot"
    say "  append $directory/telegraf.env to /etc/default/telegraf"
}

undo_certificate() {
    local target
    ask iot describe-certificate --certificate-id "${arn##*/}" --query certificateDescription.status || return 0
    [[ "$attached" != *"$arn"* ]] || change iot detach-thing-principal --thing-name "$name" --principal "$arn"
    ask iot list-attached-policies --target "$arn" --query 'policies[].policyName' || true
    for target in $answer; do
        change iot detach-policy --policy-name "$target" --target "$arn"
    done
    change iot update-certificate --certificate-id "${arn##*/}" --new-status INACTIVE
    change iot delete-certificate --certificate-id "${arn##*/}"
}

undo() {
    local version
    find_certificates
    for arn in $answer; do
        undo_certificate
    done
    if ask iot get-policy --policy-name "$policy" --query policyName; then
        ask iot list-policy-versions --policy-name "$policy" --query 'policyVersions[?!isDefaultVersion].versionId' || true
        for version in $answer; do
            change iot delete-policy-version --policy-name "$policy" --policy-version-id "$version"
        done
        change iot delete-policy --policy-name "$policy"
    fi
    ! ask iot describe-thing --thing-name "$name" --query thingArn || change iot delete-thing --thing-name "$name"
    [ "$dry_run" = no ] || return 0
    rm -f "$arn_file" "$certificate" "$directory/telegraf.env"
    say "nothing of $name is left in AWS IoT Core; its key, if it was made here, still is in $directory"
}

# --- What was asked ------------------------------------------------------------------------------------------------

[ $# -gt 0 ] || usage 1
case $1 in
csr | create | undo) command=$1 ;;
-h | --help | help) usage 0 ;;
*) die "$1: csr, create or undo" ;;
esac
shift
name="" directory="" prefix="" csr="" dry_run=no answer="" attached="" arn="" pem=""
while [ $# -gt 0 ]; do
    case $1 in
    --directory | --prefix | --csr)
        [ $# -gt 1 ] || die "$1 needs a value"
        printf -v "${1#--}" %s "$2"
        shift
        ;;
    --dry-run) dry_run=yes ;;
    -*) die "$1 is no option; --help lists them" ;;
    *)
        [ -z "$name" ] || die "one NAME, not $name and $1"
        name=$1
        ;;
    esac
    shift
done
# Letters that need no thought in a client id (AWS allows 128), a topic, a file name, an ARN, and what is named after it.
[[ $name =~ ^[A-Za-z0-9_-]{1,56}$ ]] || die "NAME: 1 to 56 letters, digits, - and _"
prefix=${prefix:-power/$name}
# AWS allows seven slashes and 256 bytes; the output adds two levels, the meter and the measurement.
[[ $prefix =~ ^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,5}$ ]] || die "--prefix: at most six levels of letters, digits, _ . and -"
[ ${#prefix} -le 160 ] || die "--prefix: at most 160 characters, so that 96 bytes are left for meter and measurement"
directory=${directory:-aws-iot-$name}
policy=$name-publish
key=$directory/private.pem.key
request=${csr:-$directory/$name.csr}
certificate=$directory/certificate.pem.crt
arn_file=$directory/certificate.arn
for needed in openssl $([ "$command" = csr ] || echo aws); do
    command -v "$needed" >/dev/null || die "$needed is missing"
done
case $command in
csr) make_request ;;
create) create ;;
undo) undo ;;
esac
