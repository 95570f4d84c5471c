"""Values that are shown masked until somebody asks for them: certificate, telephone, bank account."""

from __future__ import annotations

from app.models.fields import Field, Value
from app.models.rules import masking
from app.views.parts import wording

_MASKS = {
    "cert_no": masking.mask_identity,
    "phone": masking.mask_phone,
    "contact_phone": masking.mask_phone,
    "bank_account": masking.mask_account,
}


def is_masked(field: Field) -> bool:
    """Whether the values of `field` are hidden at first."""
    return field.name in _MASKS


def masked(field: Field, value: Value) -> str:
    """`value` in words, with what identifies a person hidden."""
    mask = _MASKS.get(field.name)
    return mask(value) if mask and isinstance(value, str) else wording.shown(field, value)
