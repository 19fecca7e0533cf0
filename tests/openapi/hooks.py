"""Keeps the key of the test itself alive: a test that revoked it would test nothing more."""

import os

import schemathesis

OWN_ID = os.environ["OWN_ID"]


@schemathesis.hook
def before_call(context, case, **kwargs):
    if OWN_ID in (case.path_parameters or {}).values():
        case.path_parameters["id"] = "key_" + 32 * "0"
