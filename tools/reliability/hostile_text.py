"""Playlists that name what is not theirs, and names that no file should have."""

from __future__ import annotations

# What it is, its text with {named} (a file or an address), {file} or {address}, its suffix.
PLAYLISTS: tuple[tuple[str, str, str], ...] = (
    ("HLS", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{named}\n#EXT-X-ENDLIST\n", ".m3u8"),
    (
        "HLS with a key",
        '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{named}"\n#EXTINF:9,\n{file}\n',
        ".m3u8",
    ),
    ("HLS master", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{address}/a.m3u8\n", ".m3u8"),
    (
        "HLS with concat",
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9,\nconcat:{address}/h.m3u8|{named}\n",
        ".m3u8",
    ),
    ("HLS with subfile", "#EXTM3U\n#EXTINF:9,\nsubfile,,start,0,end,99,,:{file}\n", ".m3u8"),
    ("HLS in AVI", "GAB2\0\x02\0#EXTM3U\n#EXTINF:9,\n{named}\n", ".avi"),
    ("concat", "ffconcat version 1.0\nfile '{named}'\n", ".ffconcat"),
    ("concat, unsafe", "ffconcat version 1.0\noption safe 0\nfile {file}\nfile {file}\n", ".txt"),
    (
        "DASH",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet '
        'mimeType="audio/mp4"><Representation id="1"><BaseURL>{named}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
        ".mpd",
    ),
    (
        "XML with an entity",
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "{named}">]><MPD>&e;</MPD>',
        ".mpd",
    ),
    ("SDP", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n", ".sdp"),
    ("M3U", "#EXTM3U\n{named}\n", ".m3u"),
    ("PLS", "[playlist]\nFile1={named}\nNumberOfEntries=1\n", ".pls"),
    ("ASX", '<asx version="3.0"><entry><ref href="{named}"/></entry></asx>', ".asx"),
    ("ASF reference", "[Reference]\nRef1={named}\n", ".asf"),
    ("SMIL", '<smil><body><audio src="{named}"/></body></smil>', ".smil"),
    ("RealMedia", "{named}\n", ".ram"),
    ("XSPF", "<playlist><trackList><track><location>{named}</location></track>", ".xspf"),
    ("SVG", '<svg xmlns="http://www.w3.org/2000/svg"><image href="{named}"/></svg>', ".svg"),
    ("lavfi", "amovie={file}", ".lavfi"),
    ("ffmetadata", ";FFMETADATA1\ntitle={named}\n", ".ffmeta"),
    ("AviSynth", 'DirectShowSource("{named}")\n', ".avs"),
    ("image list", "{file}%03d.png", ".png"),
    ("an address", "{named}", ".url"),
)

# {suffix} is the right one, {long} is 300 characters.
NAMES: tuple[str, ...] = (
    *("../../../../../../tmp/escape{suffix}", "..\\..\\escape{suffix}", "/etc/passwd", "C:\\x.wav"),
    *("-i", "--help{suffix}", "-y", "-f{suffix}", "-{suffix}", "{long}{suffix}", "a.{long}"),
    *("\u00fc" * 150 + "{suffix}", "\U0001f600\U0001f3a4{suffix}", "\u5f55\u97f3{suffix}"),
    *("CON", "NUL{suffix}", "aux{suffix}", "COM1{suffix}", "LPT9", "name. ", "name.", " {suffix}"),
    *('quo"te{suffix}', "apo'strophe{suffix}", '";filename="x', "a;b{suffix}", "a&b|c{suffix}"),
    *("new\nline{suffix}", "cr\r\nX-Evil: 1{suffix}", "tab\t{suffix}", "nul\0{suffix}", "\x7f"),
    *("\x1b[31mred{suffix}", "\u202egnp{suffix}", "\u200b", "\ufeff{suffix}", "\u0085{suffix}"),
    *("", " ", ".", "..", "...", "/", "\\", "{suffix}", "%00{suffix}", "%2e%2e%2f{suffix}"),
    *("$(touch pwned){suffix}", "`touch pwned`{suffix}", "|touch pwned", "%s%n{suffix}", "{{0}}"),
    *("{address}/x.wav", "file:///etc/passwd", "concat:/etc/passwd", "pipe:0", "fd:0", "tcp://x"),
    *("subfile,,start,0,end,9,,:/etc/passwd", "data:audio/wav;base64,AAAA", "cache:/etc/passwd"),
    *("*{suffix}", "?{suffix}", "~/x{suffix}", "x{suffix}:stream", "%03d{suffix}", "[a-z]{suffix}"),
    *("result.json", "processed_audio.wav", ".partial-x", ".runs.sqlite", "body.json", "0000"),
    *("\udcff\udcfe{suffix}", "caf\udce9{suffix}", "<img src=x onerror=alert(1)>{suffix}"),
)
