"""A small office in which runs can be started: two people, an agent with two versions, two tools and some data."""

from __future__ import annotations

SCHEMA = 'use import\nimport "remit:agents@1"\n'

# Each is needed, for a run of payer.2 below anne to use erp.pay.
NEEDED = (
    "user:anne#registered@directory:people",
    "domain:office#estate@estate:harbour",
    "agent:payer#registered@directory:agents",
    "agent:payer#owner@user:anne",
    "agent:payer#domain@domain:office",
    "agent_version:payer.2#version_of@agent:payer",
    "agent_version:payer.2#certified@directory:reviews",
    "tool:erp.pay#registered@directory:tools",
    "tool:erp.pay#domain@domain:office",
    "tool:erp.pay#descriptor@descriptor:d1",
    "tool:erp.pay#untagged@directory:tools",
    "tool:erp.pay#may_use@profile:pay#holds",
    "tool:erp.pay#in_intent@profile:pay#declares",
    "profile:pay#holder@user:anne",
    "profile:pay#holder@agent:payer",
    "profile:pay#holder@agent_version:payer.2",
    "credential:local#registered@directory:keys",
    "user:anne#consent@consent:c",
    "consent:c#agent@agent:payer",
)
BESIDE = (
    # the same for a system, at the root without anybody's consent
    "system:clock#registered@directory:systems",
    "system:clock#owner@user:anne",
    "system:clock#domain@domain:office",
    "profile:pay#holder@system:clock",
    # a person who consents to nothing, and knows another directory
    "user:ben#registered@directory:guests",
    "profile:pay#holder@user:ben",
    # what anne has and what she has not
    "tool:mail.send#registered@directory:tools",
    "tool:mail.send#domain@domain:office",
    "tool:mail.send#descriptor@descriptor:d2",
    "tool:mail.send#untagged@directory:tools",
    "tool:mail.send#may_use@profile:tell#holds",
    "tool:mail.send#in_intent@profile:tell#declares",
    "tool:erp.pay#may_use@profile:tell#holds",
    "tool:erp.pay#in_intent@profile:tell#declares",
    "dataset:ledger#reader@profile:look#holds",
    "dataset:ledger#in_intent@profile:look#declares",
    "dataset:ledger#domain@domain:office",
    "dataset:ledger#classification@level:internal",
    'tool:erp.pay#in_intent@profile:small#declares[arguments:{"additional":true,"amount":{"max":"100"}}]',
    'tool:erp.pay#in_intent@profile:smaller#declares[arguments:{"additional":true,"amount":{"max":"10"}}]',
    # a version that nobody certified, and one that has ended
    "agent_version:payer.3#version_of@agent:payer",
    "agent_version:payer.1#version_of@agent:payer",
    "agent_version:payer.1#certified@directory:reviews",
    "agent_version:payer.1#terminated@directory:reviews",
)
FACTS = (*NEEDED, *BESIDE)
