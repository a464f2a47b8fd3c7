"""Common Crawl names languages by three letters (ISO 639-3); filbert by two where there are two."""

_PAIRS = (
    "afr:af ara:ar aze:az bel:be ben:bn bos:bs bul:bg cat:ca ces:cs cym:cy dan:da deu:de ell:el "
    "eng:en epo:eo est:et eus:eu fas:fa fin:fi fra:fr gle:ga glg:gl guj:gu heb:he hin:hi hrv:hr "
    "hun:hu hye:hy ind:id isl:is ita:it jpn:ja kan:kn kat:ka kaz:kk khm:km kor:ko lat:la lav:lv "
    "lit:lt mal:ml mar:mr mkd:mk mon:mn msa:ms mya:my nep:ne nld:nl nno:nn nor:no pan:pa pol:pl "
    "por:pt ron:ro rus:ru sin:si slk:sk slv:sl spa:es sqi:sq srp:sr swa:sw swe:sv tam:ta tel:te "
    "tgl:tl tha:th tur:tr ukr:uk urd:ur uzb:uz vie:vi zho:zh"
)
_TWO = dict(pair.split(":") for pair in _PAIRS.split())


def two_letters(code: str) -> str | None:
    """The code of two letters ("eng" → "en"), else the code itself; None for none."""
    return _TWO.get(code, code) or None
