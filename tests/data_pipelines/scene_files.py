"""Small raw folders of several cameras with sound, in the official formats."""

import fractions
import json
import wave

import av
import numpy as np

from tests.data_pipelines import raw_files

FPS = 10
"""Frames a second of the videos: every fourth is on the grid."""
SIZE = 48, 64


def tones(seconds, *, rate=16000, chunk=0.4, loudness=0.4, channels=1):
    """Sound whose pitch says the time: 300 Hz and 100 more every 0.4 s, [C samples]."""
    t = np.arange(round(seconds * rate)) / rate
    pitch = 300 + 100 * np.floor(t / chunk)
    sound = (loudness * np.sin(2 * np.pi * pitch * t)).astype(np.float32)
    return np.repeat(sound[None], channels, axis=0)


def chunks_heard(chunks, *, rate=16000):
    """The numbers of chunks [n samples] of `tones`, by their loudest frequency."""
    size = 1 << 16
    spectrum = np.abs(np.fft.rfft(chunks, size, axis=1))
    return np.rint((spectrum.argmax(1) * rate / size - 300) / 100).astype(int)


def write_video(
    path, clip, *, fps=FPS, sound=None, rate=16000, codec="mpeg4", sound_codec="aac"
):
    """A video file of frames uint8 [T H W 3] with sound [C samples]; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=fps)
        video.height, video.width = clip.shape[1:3]
        video.pix_fmt = "yuv420p"
        if codec == "mpeg4":
            video.codec_context.qmin = video.codec_context.qmax = 2
        audio = None
        if sound is not None:
            audio = container.add_stream(sound_codec, rate=rate)
            audio.layout = "stereo" if len(sound) == 2 else "mono"
            audio.format = "s16" if sound_codec.startswith("pcm") else "fltp"
        for frame in clip:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(video.encode())
        if audio is not None:
            container.mux(audio.encode(_audio_frame(audio, sound, rate)))
            container.mux(audio.encode())
    return path


def _audio_frame(stream, sound, rate):
    form = stream.format.name
    data = np.ascontiguousarray(sound, np.float32)
    if form == "s16":
        data = np.rint(data * 32767).astype(np.int16).T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(data, format=form, layout=stream.layout.name)
    frame.sample_rate, frame.pts = rate, 0
    frame.time_base = fractions.Fraction(1, rate)
    return frame


def write_wav(path, sound, *, rate=48000):
    """A file of one channel of sound [samples]; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(sound * 32767).astype("<i2").tobytes())
    return path


def filmed(seconds, seed, *, fps=FPS):
    """Frames that show their numbers, see `raw_files.numbered`; no two are alike."""
    return raw_files.numbered(round(seconds * fps), size=SIZE, seed=seed)


def clip_entry(session, name, tricks, *, views=5, part=1):
    """What a label file of MultiSensor-Home says of a clip."""
    urls = {
        f"video_url_{v}": f"{session:02}/{name:02}-View{v}-Part{part}.mp4"
        for v in range(1, views + 1)
    }
    spans = [{"start": s, "end": e, "labels": [label]} for label, s, e in tricks]
    return {**urls, "tricks": spans}


def write_clip(folder, entry, *, seconds=4.0, sound=True, **options):
    """The videos of a clip, as its entry names them."""
    for number, path in entry.items():
        if number.startswith("video_url_"):
            view = int(number.removeprefix("video_url_"))
            seed = 100 * int(path[3:5]) + view
            heard = tones(seconds, loudness=0.1 * view) if sound else None
            write_video(folder / path, filmed(seconds, seed), sound=heard, **options)


def home(folder, entries, *, train=(), test=(), **options):
    """A home with `all_labels.json` and, if asked for, split files; its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        write_clip(folder, entry, **options)
    write_labels(folder, "all_labels", entries)
    if train or test:
        write_labels(folder, "train", train)
        write_labels(folder, "test", test)
    return folder


def write_labels(folder, name, entries):
    """A label file; its path."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(list(entries)))
    return path


def office_name(recording, sensor, division=0):
    """The name of a file of MM-Office without its ending."""
    half = "" if division is None else f"_{division}"
    return f"split{recording % 10}_id{sensor:02}_s05_recid{recording:03}{half}"


def write_office_clip(folder, side, recording, division=0, *, seconds=2.0):
    """The four videos and eight sound files of a clip of MM-Office."""
    for camera in range(4):
        seed = 1000 * recording + 10 * camera + (division or 0)
        path = folder / "video" / side / office_name(recording, camera, division)
        write_video(path.with_suffix(".mp4"), filmed(seconds, seed))
    for microphone in range(8):
        path = folder / "audio" / side / office_name(recording, microphone, division)
        loudness = 0.02 * (microphone + 1) + 0.001 * (recording % 7 + (division or 0))
        sound = tones(seconds, rate=48000, loudness=loudness)[0]
        write_wav(path.with_suffix(".wav"), sound)


def write_table(path, header, rows):
    """A CSV file; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def office(folder, events, *, test):
    """Training recordings, whose halves show events, and whole test recordings.

    `events` is (recording, division) -> classes from 1; `test` is recording -> rows of
    class, start and end.
    """
    for recording, division in events:
        write_office_clip(folder, "train", recording, division)
    for recording, rows in test.items():
        write_office_clip(folder, "test", recording, None)
        path = folder / "label" / "testlabel" / f"recid{recording:03}.csv"
        numbered = [(i, *row) for i, row in enumerate(rows)]
        write_table(path, "index,eventclass,starttime,endtime", numbered)
    weak = folder / "label" / "trainlabel"
    # Each recording is a scene of its own.
    recordings = sorted({recording for recording, _ in events})
    write_table(
        weak / "recinfo.csv", "recid,sceneid,patternid", [(r, r, 1) for r in recordings]
    )
    classes = ",".join(f"class{n}" for n in range(1, 13))
    write_table(
        weak / "eventinfo.csv",
        f"sceneid,patternid,division,{classes}",
        [
            (r, 1, d, *(int(n in shown) for n in range(1, 13)))
            for (r, d), shown in events.items()
        ],
    )
    return folder
