"""Messages of monitors, written anew after public examples of each make, and a plain-socket sender."""

import socket
import time
from datetime import UTC, datetime

BASE = 1_796_032_800_000
"""A time of 30 November 2026, UTC epoch ms; the makes' messages are sent then."""


def stamp(t: int) -> str:
    return f"{datetime.fromtimestamp(t / 1000, UTC):%Y%m%d%H%M%S}"


def message(*segments: str) -> bytes:
    return ("\r".join(segments) + "\r").encode()


def ge(t: int = BASE, control: str = "17", patient: str = "p-1", hr: str = "76") -> bytes:
    """GE CARESCAPE and B1x5: PCD-01 of HL7 2.6 with containment objects, values without times, status R."""
    now = stamp(t)
    return message(
        rf"MSH|^~\&|VSP^080019FFFE0B4020^EUI-64|GE Healthcare|||{now}+0000||ORU^R01^ORU_R01|{control}"
        r"|P|2.6|||NE|AL||UNICODE UTF-8|||PCD_DEC_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO",
        f"PID|||{patient}^^^PID^MR||Example^Erna^^^^^L",
        "PV1||E|ICU^^BED-4",
        f"OBR|1|A^VSP^080019FFFE0B4020^EUI-64|B^VSP^080019FFFE0B4020^EUI-64|182777000^monitoring of patient^SC"
        f"T|||{now}+0000",
        "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X",
        "OBX|2||69798^MDC_DEV_PULS_OXIM_VMD^MDC|1.6.0.0|||||||X",
        f"OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.5.1.1|{hr}|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R||||||08001"
        f"9FFFE0B4020^B1X5_GE",
        "OBX|4|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.6.1.1|97|262688^MDC_DIM_PERCENT^MDC|||||R||||||080019FFFE0B4020^B1X5_GE",
        "OBX|5|NM|150033^MDC_PRESS_BLD_ART_SYS^MDC|1.13.1.1|121|266016^MDC_DIM_MMHG^MDC|||||R",
        "OBX|6|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC|1.14.1.1|139|266016^MDC_DIM_MMHG^MDC|||||R",
        "OBX|7|NM|151594^MDC_CO2_RESP_RATE^MDC|1.11.1.3|18|264928^MDC_DIM_RESP_PER_MIN^MDC|||||R",
        "OBX|8|NM|150344^MDC_TEMP^MDC|1.26.1.1|36.8|268192^MDC_DIM_DEGC^MDC|||||R",
        "OBX|9|NM|150488^MDC_BLD_PERF_INDEX^MDC|1.6.1.3|2.1|262688^MDC_DIM_PERCENT^MDC|||||R",
    )


def mindray(t: int = BASE, control: str = "1914", cuff: int = 0) -> bytes:
    """Mindray VS and eGateway: a time for each value; the cuff's is that of its measurement."""
    now, measured = stamp(t), stamp(t - (cuff or 9 * 60_000))
    return message(
        rf"MSH|^~\&|MINDRAY_VS900^00A0370098007A80^EUI-64||||{now}||ORU^R01^ORU_R01|{control}"
        r"|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO",
        "PID|||^^^Hospital^PI||^^^^^^L",
        "PV1||I",
        f"OBR|1|A|B|182777000^monitoring of patient^SCT|||{now}",
        f"OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456|99|262688^MDC_DIM_PERCENT^MDC|||||R||"
        f"|{now}||||00A0370098007A80^^00A0370098007A80^EUI-64",
        f"OBX|2|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.3.1.149530|94|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R|||{now}",
        f"OBX|3|NM|151578^MDC_TTHOR_RESP_RATE^MDC|1.4.1.151578|17|264928^MDC_DIM_RESP_PER_MIN^MDC|||||R|||{now}",
        f"OBX|4|NM|150301^MDC_PRESS_CUFF_SYS^MDC|1.1.9.150301|147|266016^MDC_DIM_MMHG^MDC|||||R|||{measured}||"
        f"|^APERIODIC",
        f"OBX|5|NM|150303^MDC_PRESS_CUFF_MEAN^MDC|1.1.9.150303|109|266016^MDC_DIM_MMHG^MDC|||||R|||{measured}|"
        f"||^APERIODIC",
        f"OBX|6|NM|150302^MDC_PRESS_CUFF_DIA^MDC|1.1.9.150302|90|266016^MDC_DIM_MMHG^MDC|||||R|||{measured}|||"
        f"^APERIODIC",
        f"OBX|7|NM|188496^MDC_TEMP_AXIL^MDC|1.2.5.188496|36.1|268192^MDC_DIM_DEGC^MDC|||||R|||{now}",
    )


def comen(t: int = BASE, control: str = "1362") -> bytes:
    """Comen, Northern and their kind: -100 and -999 for no value, Fahrenheit, the unit without a number."""
    now = stamp(t)
    return message(
        rf"MSH|^~\&|northern|patient monitor^|||{now}||ORU^R01^ORU_R01|{control}|P|2.6|",
        "PID|||||expert^vs||00000000|M|",
        "PV1||I|^^",
        f"OBR|1||||||{now}|",
        "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456|-100|262688^MDC_DIM_PERCENT^MDC|||||F||||",
        "OBX|2|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.3.1.149530||264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F||||",
        "OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.7.4.147842|80|^MDC_DIM_BEAT_PER_MIN|50^120||||F",
        "OBX|4|NM|150344^MDC_TEMP^MDC|1.2.1.150344|-99.9|266560^MDC_DIM_FAHR^MDC|||||F||||",
        "OBX|5|NM|150344^MDC_TEMP^MDC|1.2.2.150344|100.4|266560^MDC_DIM_FAHR^MDC|||||F||||",
        "OBX|6|NM|150031^MDC_PRESS_CUFF_SYS^MDC|1.1.9.150301|-999|266016^MDC_DIM_MMHG^MDC|||||F||APERIODIC|",
    )


def philips(t: int = BASE, control: str = "P-9") -> bytes:
    """Philips IntelliVue Information Center: HL7 2.3, codes of MDIL."""
    now = stamp(t)
    return (
        message(
            rf"MSH|^~\&|PIIC|PHILIPS|EHR|HOSP|{now}||ORU^R01|{control}|P|2.3||||||8859/1",
            "PID|||p-1~0815^^^X||Mütze^Max",
            "PV1||I|MED^^7",
            f"OBR|1|||VITAL|||{now}",
            f"OBX|1|NM|0002-4182^HR^MDIL|0|71|0004-0aa0^bpm^MDIL|||||F|||{now}",
            f"OBX|2|NM|0002-4bb8^SpO2^MDIL|0|95|0004-0220^%^MDIL|||||F|||{now}",
            f"OBX|3|NM|0002-4a05^NBPs^MDIL|0|16.0|0004-0f03^kPa^MDIL|||||F|||{now}",
            f"OBX|4|NM|0002-f0c7^Temp1^MDIL|0|37.2|0004-17a0^°C^MDIL|||||F|||{now}",
        )
        .decode()
        .encode("iso-8859-1")
    )


def edan(t: int = BASE, control: str = "31") -> bytes:
    """Edan: numbers of its own under EHC, HL7 2.4."""
    now = stamp(t)
    return message(
        rf"MSH|^~\&|EDAN|iM8||| {now}||ORU^R01|{control}|P|2.4".replace("| ", "|"),
        "PID|1||p-1",
        f"OBR|1||||||{now}",
        "OBX|1|NM|131072^ECG_HR^EHC|1|68|bpm|||||F",
        "OBX|2|NM|327680^SPO2_SPO2^EHC|1|96|%|||||F",
        "OBX|3|NM|393216^NIBP_SYS^EHC|1|118|mmHg|||||F",
        "OBX|4|NM|393217^NIBP_DIA^EHC|1|74|mmHg|||||F",
        "OBX|5|NM|458752^TEMP_T1^EHC|1|36.5|C|||||F",
    )


def masimo(t: int = BASE, control: str = "M1") -> bytes:
    """Masimo and IHE's own example: LOINC first and MDC as the alternate code, UCUM units, flags in OBX-8."""
    now = stamp(t)
    return message(
        rf"MSH|^~\&|MASIMO^0123456789ABCDEF^EUI-64|HOSP|||{now}.250+0000||ORU^R01^ORU_R01|{control}"
        r"|P|2.6|||NE|AL|USA|ASCII",
        "PID|||HO2009001^^^NIST^PI||Hon^Albert",
        f"OBR|1|||44616-1^Pulse oximetry panel^LN|||{now}+0000",
        "NTE|1||about the battery",
        f"OBX|1|NM|8889-8^Heart Rate by Oximetry^LN^149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.11.2.3|55|{{beats}}/m"
        f"in^beats per minute^UCUM|35-125||99||R|||{now}+0000|||AMEAS^auto-measurement^MDC",
        f"OBX|2|NM|59408-5^SpO2^LN^150456^MDC_PULS_OXIM_SAT_O2^MDC|1.11.2.4|88|%^percent^UCUM||INV|||R|||{now}+0000",
    )


def draeger_alarm(t: int = BASE, control: str = "79", phase: str = "start", state: str = "active") -> bytes:
    """Dräger: an alarm of IHE PCD-04 (ORU^R40)."""
    now = stamp(t)
    return message(
        rf"MSH|^~\&|0030E60000000001^EUI-64|Draeger|||{now}+0000||ORU^R40^ORU_R40|{control}|P|2.6|||AL|NE",
        "PID|||p-1^^^^AN||Data^Simulated^Patient^^^^L",
        f"OBR|1||0^urn:uuid:df041f5c|196616^MDC_EVT_ALARM^MDC|||{now}+0000",
        "OBX|1|ST|258047^MDC_EVT_LEAD_OFF^MDC|1.0.0.0.1|ECG leads off||||||F",
        "OBX|2|ST|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.0.0.0.2|147842^MDC_ECG_HEART_RATE^MDC||||||F",
        f"OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.0.0.0.3|{phase}||||||F",
        f"OBX|4|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.0.0.0.4|{state}||||||F",
    )


MAKES = (ge, mindray, comen, philips, edan, masimo, draeger_alarm)


class Monitor:
    """A monitor as the manuals describe it: a client that sends a message and waits for its acknowledgement."""

    def __init__(self, port: int, within_s: float = 10.0, wrap: object = None) -> None:
        deadline = time.monotonic() + within_s
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=within_s)
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
        if wrap is not None:
            self._socket = wrap(self._socket)  # type: ignore[operator] # a TLS context's method
        self._raw = b""

    def send(self, sent: bytes) -> None:
        self._socket.sendall(b"\x0b" + sent + b"\x1c\r")

    def answer(self) -> tuple[str, str, str]:
        """Waits for the next acknowledgement: its code, control id and reason."""
        while b"\x1c\r" not in self._raw:
            received = self._socket.recv(65_536)
            if not received:
                raise ConnectionResetError("the connection ended without an answer")
            self._raw += received
        first, _, self._raw = self._raw.partition(b"\x1c\r")
        msa = next(one for one in first.decode().split("\r") if one.startswith("MSA"))
        return (*msa.split("|")[1:4], "")[:3]  # type: ignore[return-value]

    def ask(self, sent: bytes) -> tuple[str, str, str]:
        self.send(sent)
        return self.answer()

    def close(self) -> None:
        self._socket.close()
