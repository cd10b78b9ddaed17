#!/usr/bin/env bash
# The MIME samples of mime4j and mikel, sent by DATA and by BDAT, are delivered octet for octet except for the trace fields.
. "$(dirname "$0")/lib.sh"
begin mime
vectors=$top/../shared/vectors
for set in mime-mime4j mime-mikel; do
    [ -d "$vectors/$set" ] || skip_all "the test data ../shared/vectors/$set is not there"
done
nul_port=$(free_port)
server_config "listener nul { address 127.0.0.1:$nul_port; nul-in-body accept; }"
server_start
account box@example.test

# One run over a set: both ways, all files compared; the counts are part of the case, so that an empty folder cannot pass.
all_equal() {
    timeout 100 /usr/bin/python3 "$top/tests/interop/mime.py" "$port" "$nul_port" "$(mailbox box@example.test)" "$1" >"$scratch/out" 2>&1
    local status=$?
    cat "$scratch/out"
    rm -rf "$(mailbox box@example.test)"/{new,cur}/*
    return $status
}
for set in mime-mime4j mime-mikel; do
    check "$set is delivered with equal content" all_equal "$vectors/$set"
    grep -E '^(sent|refused)' "$scratch/out" | sed 's/^/    /'
    samples=$(find "$vectors/$set" -name '*.msg' -o -name '*.eml' | wc -l)
    tried=$(sed -nE 's/^sent DATA [^ ]+ ([0-9]+)$/\1/p' "$scratch/out")
    refused=$(sed -nE 's/^refused (bare CR|NUL in the header) ([0-9]+):.*/\2/p' "$scratch/out" | awk '{n += $1} END {print n / 2}')
    check "$set: each of $samples samples was delivered ($tried) or refused by policy ($refused)" [ "$samples" -eq "$((tried + refused))" ]
done

# The sets hold nothing that policy refuses, and one incoming Return-Path at most: these do.
mkdir "$scratch/ours"
printf 'Subject: a\0b\n\ntext\n' >"$scratch/ours/nul-in-header.eml"
printf 'Subject: x\n\ntext\0more\n' >"$scratch/ours/nul-in-body.eml"
printf 'Subject: x\n\ntext\rmore\n' >"$scratch/ours/bare-cr.eml"
printf 'Return-Path: <a@b.example>\nSubject: x\nreturn-path : <c@d.example>\n folded\n\nReturn-Path: stays\n..\n.\n' >"$scratch/ours/return-path.eml"
check "made samples are refused with the reply of the reason, or delivered" all_equal "$scratch/ours"
refusals() { [ "$(grep -cE '^refused (bare CR|NUL in the header|NUL in the body) 2:' "$scratch/out")" -eq 3 ] && grep -q '^sent DATA ours 2$' "$scratch/out"; }
check "three of them were refused, each way" refusals
finish
