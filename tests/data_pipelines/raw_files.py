"""Small raw folders in the official formats, so that no test needs the real data."""

import itertools
import json
import wave

import av
import numpy as np
import scipy.io


def utd(folder, *, actions=(1, 2), subjects=(1, 2), trials=(1, 2), seed=0, depth=False):
    """Trials of UTD-MHAD, with depth of the thinned size or without; the folder."""
    rng = np.random.default_rng(seed)
    for a, s, t in itertools.product(actions, subjects, trials):
        frames = int(rng.integers(8, 13))
        write_utd(
            folder,
            f"a{a}_s{s}_t{t}",
            d_skel=rng.standard_normal((20, 3, frames)) + [[[0], [0], [2.8]]],
            d_iner=rng.standard_normal((int(2.6 * frames), 6)),
        )
        if depth:
            clip = rng.integers(1800, 4000, (60, 80, frames), np.uint16)
            write_utd(folder, f"a{a}_s{s}_t{t}", d_depth=clip)
    return folder


def write_utd(folder, key, **variables):
    """The `.mat` files of one trial."""
    names = {"d_skel": "Skeleton", "d_iner": "Inertial", "d_depth": "Depth"}
    for variable, value in variables.items():
        path = folder / names[variable]
        path.mkdir(parents=True, exist_ok=True)
        ending = names[variable].lower()
        scipy.io.savemat(path / f"{key}_{ending}.mat", {variable: value})


def berkeley(folder, *, subjects=(1, 8), actions=(1, 2), sensors=(1,), seed=0):
    """Recordings of Berkeley MHAD, one repetition; returns the folder."""
    rng = np.random.default_rng(seed)
    for h, s, a in itertools.product(sensors, subjects, actions):
        frames = int(rng.integers(30, 40))
        times = 1309539264.0 + np.cumsum(rng.uniform(0.02, 0.05, frames))
        values = rng.uniform(-2, 2, (frames, 3))
        write_berkeley(folder, h, f"s{s:02}_a{a:02}_r01", values, times)
    return folder


def write_berkeley(folder, sensor, key, values, times):
    """The text file of one sensor and recording; returns its path."""
    path = (
        folder / "Accelerometer" / f"Shimmer{sensor:02}" / f"acc_h{sensor:02}_{key}.txt"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.column_stack([values, times])
    path.write_text(
        "".join(f"{x:.6f} {y:.6f} {z:.6f} {t:.6f}\n" for x, y, z, t in rows)
    )
    return path


def mmact_place(subject=1, scene=1, session=1, action="walking", camera=None):
    """Where MMAct keeps a file, without its ending."""
    cam = f"cam{camera}/" if camera else ""
    return f"subject{subject}/{cam}scene{scene}/session{session}/{action}"


def write_mmact_sensor(folder, sensor, values, *, seconds=None, header=False, **place):
    """The CSV of one sensor; returns its path."""
    path = folder / f"{sensor}_clip" / f"{mmact_place(**place)}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = np.arange(len(values)) / 100 if seconds is None else seconds
    lines = ["time,x,y,z"] if header else []
    for second, (x, y, z) in zip(seconds, values):
        # A whole second has no fraction, as in the real files.
        whole, micro = divmod(round(second * 1e6), 1_000_000)
        stamp = f"20180905_14:12:{33 + whole:02}" + (f".{micro:06}" if micro else "")
        lines.append(f"{stamp},{x:.6f},{y:.6f},{z:.6f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_mmact_pose(folder, clip, **place):
    """The JSON of poses, clip [T M J 3], leaving bodies of zeros out; its path."""
    path = folder / "pose" / f"{mmact_place(**place)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = {
        str(t): {
            f"person{m + 1}": body.reshape(-1).tolist()
            for m, body in enumerate(bodies)
            if body.any()
        }
        for t, bodies in enumerate(clip)
    }
    path.write_text(json.dumps(frames))
    return path


def mmact(folder, *, subjects=(1, 17), cameras=(), scenes=(1,), sessions=(1,), seed=0):
    """Performances of two actions with two sensors and, by camera, poses."""
    rng = np.random.default_rng(seed)
    for subject, scene, session in itertools.product(subjects, scenes, sessions):
        for action in ("walking", "Carrying_light"):
            place = {
                "subject": subject,
                "scene": scene,
                "session": session,
                "action": action,
            }
            for sensor in ("acc_watch", "gyro"):
                values = rng.standard_normal((int(rng.integers(150, 180)), 3))
                write_mmact_sensor(folder, sensor, values, **place)
            for camera in cameras:
                clip = rng.uniform(1, 100, (12, 1, 17, 3))
                write_mmact_pose(folder, clip, camera=camera, **place)
    return folder


def nw_ucla(folder, keys, *, seed=0):
    """Clips of NW-UCLA by key; returns the folder."""
    rng = np.random.default_rng(seed)
    (folder / "all_sqe").mkdir(parents=True)
    actions = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
    for key in keys:
        clip = rng.uniform(-0.6, 0.6, (int(rng.integers(8, 15)), 20, 3)) + [0, 0, 2.8]
        label = actions.index(int(key[1:3])) + 1
        document = {"file_name": key, "skeletons": clip.tolist(), "label": label}
        (folder / "all_sqe" / f"{key}.json").write_text(json.dumps(document))
    return folder


def write_avi(path, clip, *, codec="mpeg4"):
    """A video file of frames uint8 [T H W 3]; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.qmin = stream.codec_context.qmax = 2
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    return path


def write_wav(path):
    """A second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))


def ntu_body(rng, *, frames, joints=25):
    """Joints of one body in the columns of a `.skeleton` file, [T J 12]."""
    body = rng.uniform(0.5, 2.0, (frames, joints, 12))
    body[..., 5:7] = rng.uniform(200, 900, (frames, joints, 2))
    body[..., 11] = 2
    return body


def write_skeleton(path, frames, *, newline="\n"):
    """A `.skeleton` file; each frame is body -> joints [J 12]. Returns its path."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for name, joints in bodies.items():
            lines.append(f"{name} 0 1 1 1 1 0 0.02 -0.3 2")
            lines.append(str(len(joints)))
            lines += [" ".join(f"{x:.7g}" for x in joint) for joint in joints]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((newline.join(lines) + newline).encode())
    return path


def ntu(folder, names, *, lengths=None, size=(36, 64), pairs=(), seed=0):
    """Recordings of NTU RGB+D by name, with two bodies in `pairs`; returns the folder."""
    rng = np.random.default_rng(seed)
    for name in names:
        count = (lengths or {}).get(name, int(rng.integers(12, 16)))
        bodies = [ntu_body(rng, frames=count) for _ in range(1 + (name in pairs))]
        path = folder / "nturgb+d_skeletons" / f"{name}.skeleton"
        named = {72057594037931101 + place: body for place, body in enumerate(bodies)}
        seen = [{key: body[t] for key, body in named.items()} for t in range(count)]
        write_skeleton(path, seen)
        clip = rng.integers(0, 255, (count, *size, 3), np.uint8)
        write_avi(folder / "nturgb+d_rgb" / f"{name}_rgb.avi", clip)
    return folder


def ntu_infrared(folder, names, *, rgb=20, ir=18):
    """Recordings of NTU RGB+D in two spectra; `rgb` and `ir` are frames."""
    grey = ((20, 20, 20), (220, 220, 220))
    for seed, name in enumerate(names):
        shot = numbered(rgb, size=(36, 64), seed=seed)
        write_avi(folder / "nturgb+d_rgb" / f"{name}_rgb.avi", shot)
        seen = numbered(ir, size=(40, 48), seed=seed, colours=grey)
        write_avi(folder / "nturgb+d_ir" / f"{name}_ir.avi", seen)
    return folder


PKU_LINES = ("4,10,40,2", "51,60,131,1")
"""Two actions of a video of PKU-MMD, the second of them in three chunks."""


def numbered(frames, *, size, seed=0, colours=((20, 30, 60), (230, 200, 40))):
    """Frames that show their numbers: bar b is of the second colour where bit b is set."""
    height, width = size
    bits = np.arange(frames)[:, None] >> np.arange(8) & 1
    bars = np.asarray(colours, np.uint8)[np.repeat(bits, width // 8, axis=1)]
    clip = np.repeat(bars[:, None], height, axis=1)
    # No two videos are alike.
    noise = np.random.default_rng(seed).integers(0, 255, (4, clip.shape[2], 3))
    clip[:, -4:] = noise
    return clip


def numbers_shown(clip):
    """The numbers of frames [T H W C] of `numbered`."""
    *_, height, width, _ = clip.shape
    bars = clip[:, : height - 8].mean(axis=(1, 3)).reshape(len(clip), 8, width // 8)
    return ((bars[..., 1:-1].mean(-1) > 110) << np.arange(8)).sum(-1)


def write_pku(folder, name, lines=PKU_LINES, *, rgb=200, ir=200):
    """One video of PKU-MMD, its twin and its labels; `rgb` and `ir` are frames."""
    seed = int(name[:4]) + 1000 * "LMR".index(name[5])
    shot = numbered(rgb, size=(36, 64), seed=seed)
    write_avi(folder / "RGB_VIDEO" / f"{name}.avi", shot)
    grey = ((20, 20, 20), (220, 220, 220))
    seen = numbered(ir, size=(40, 48), seed=seed, colours=grey)
    write_avi(folder / "IR_VIDEO" / f"{name}.avi", seen)
    path = folder / "Train_Label_PKU_final" / f"{name}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def pku_mmd(folder, names, **options):
    """Videos of PKU-MMD by name; returns the folder."""
    for name in names:
        write_pku(folder, name, **options)
    return folder


def write_pku_split(path, train, test):
    """A split file, its titles misspelt as in the published ones; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"Training videos: \n{', '.join(train)}, \n"
        f"Validataion videos: \n{', '.join(test)}, \n"
    )
    return path
