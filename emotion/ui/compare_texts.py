"""Texts of the comparing tab, in Chinese and in English."""

from __future__ import annotations

from typing import Final

from emotion.core.i18n import Pair

COMPARE_TEXTS: Final[dict[str, Pair]] = {
    "tab_compare": ("对比", "Compare"),
    "compare_title": ("对比多段录音", "Compare recordings"),
    # Input.
    "compare_drop": (
        "把录音、文件夹、embedding.npy 或 CSV 拖到这里",
        "Drop recordings, a folder, embedding.npy files or a CSV here",
    ),
    "compare_choose": ("选择文件", "Choose files"),
    "compare_folder": ("选择文件夹", "Choose a folder"),
    "compare_history": ("从历史添加", "Add from history"),
    "compare_csv_help": (
        "CSV 的一列是文件名或路径（path、file），其余各列可用来着色；有 speaker 和 date 列时"
        "还会画出情绪变化。文件名里的日期（如 2026-01-31）也会识别。录音会作为识别记录保存。",
        "The CSV has a column with file names or paths (path, file); points can be coloured by the "
        "others, and with speaker and date the mood is drawn over time. A date in a file's name "
        "(2026-01-31) counts too. The recordings are kept as runs.",
    ),
    "compare_count": (
        "{recordings} 段录音，{embeddings} 个 embedding，{runs} 条历史记录",
        "Recordings: {recordings} · embeddings: {embeddings} · stored runs: {runs}",
    ),
    "compare_csv": (
        "{file}：{matched} 项对上了，{columns} 列",
        "{file}: {matched} entries matched, {columns} columns",
    ),
    "compare_csv_empty": (
        "{file} 里没有可用的行：需要表头和文件名列",
        "{file} has no usable rows: it needs a heading and a column of file names",
    ),
    "compare_bad_dates": (
        "{count} 个日期看不懂，请写成 2026-01-31",
        "{count} dates were not understood; write 2026-01-31",
    ),
    "compare_show_list": ("查看清单", "Show the list"),
    "compare_remove": ("移除 {name}", "Remove {name}"),
    "compare_clear": ("清空", "Clear"),
    "compare_too_many": (
        "一次最多对比 {most} 项，多出的没有加入",
        "At most {most} can be compared at once; the rest was left out",
    ),
    "compare_no_zip": (
        "ZIP 文件没有加入：请先解压，或在“批量”中识别后点“比较这些录音”",
        "ZIP files were left out: unpack them, or recognise them in Batch and compare from there",
    ),
    "compare_run_name": ("识别记录 {id}", "Run {id}"),
    # History.
    "compare_search": ("按名称筛选", "Filter by name"),
    "compare_add": ("添加所选", "Add selected"),
    "compare_no_runs": ("没有找到识别记录", "No runs were found"),
    # Options.
    "compare_options": ("选项", "Options"),
    "compare_projection": ("投影", "Map"),
    "compare_clustering": ("聚类", "Clusters"),
    "compare_clusters_n": ("聚类数（留空自动）", "How many (empty: automatic)"),
    "compare_auto": ("自动", "Automatic"),
    "compare_none": ("不做", "None"),
    "compare_neighbours_n": ("邻居个数", "Neighbours"),
    # Running.
    "compare_start": ("开始对比", "Compare"),
    "compare_cancel": ("取消", "Cancel"),
    "compare_uploading": ("正在上传 {percent}%", "Uploading {percent}%"),
    "compare_recognising": ("正在识别：{done} / {total}", "Recognising {done} of {total}"),
    "compare_left": ("，约剩 {seconds} 秒", ", about {seconds} s left"),
    "compare_reading": ("正在读取已有结果……", "Reading results…"),
    "compare_comparing": ("正在对比 {count} 项……", "Comparing {count}…"),
    "compare_done": ("已对比 {count} 项", "{count} compared"),
    "compare_cancelled": ("已取消", "Cancelled"),
    "compare_lost": (
        "连接不上服务器，请检查网络后重试。",
        "The server does not answer. Check the connection and try again.",
    ),
    "compare_too_few": (
        "至少需要两项才能对比，现在可用的有 {count} 项。",
        "Two or more are needed; {count} can be compared now.",
    ),
    "compare_failed": ("没能加入对比", "Left out"),
    "compare_no_embedding": (
        "识别时没有保存 embedding：请勾选“提取 Embedding 特征”重新识别，或把录音拖到这里",
        "Stored without its embedding: recognise it again with “Extract embedding”, or drop the "
        "recording here",
    ),
    # Results.
    "compare_matrix": ("两两相似度", "Similarity of each two"),
    "compare_by_embedding": ("声音特征（embedding）", "Voice features (embeddings)"),
    "compare_by_scores": ("情绪得分", "Scores of the emotions"),
    "compare_matrix_remark": (
        "余弦相似度：1 表示方向完全相同。颜色只在本表内比较，从最小值到最大值。",
        "Cosine similarity: 1 is the same direction. Colours span this table's smallest to largest "
        "value.",
    ),
    "compare_recording": ("录音", "Recording"),
    "compare_map": ("声音地图", "Map of the embeddings"),
    "compare_map_label": (
        "{count} 个点。方向键移到相邻的点，回车播放，加减号缩放。",
        "{count} points. Arrow keys move to the next point, Enter plays it, plus and minus zoom.",
    ),
    "compare_map_remark": (
        "这张图（{method}）把 {width} 维特征压到平面上：挨着的点听起来相近。相距很远的两组之间，"
        "距离大小没有多少含义，坐标轴也没有含义。聚成一团的可能是同一说话人、同一种录音设备，"
        "不一定是同一种情绪。",
        "This map ({method}) presses {width} dimensions onto a plane: points side by side sound "
        "alike. How far apart distant groups are means little, and so do the axes. A group may be "
        "a speaker or a microphone rather than an emotion.",
    ),
    "compare_colour": ("颜色", "Colour"),
    "compare_emotion": ("情绪", "Emotion"),
    "compare_uncertain": ("不确定", "Uncertain"),
    "compare_cluster": ("聚类", "Cluster"),
    "compare_speaker": ("说话人", "Speaker"),
    "compare_column": ("列：{name}", "Column: {name}"),
    "compare_no_value": ("没有值", "No value"),
    "compare_rest": ("其余", "Others"),
    "compare_zoom_in": ("放大", "Zoom in"),
    "compare_zoom_out": ("缩小", "Zoom out"),
    "compare_zoom_all": ("全部", "All"),
    "compare_legend": ("图例：点一下可以隐藏", "Legend: press to hide"),
    "compare_groups": ("聚类", "Clusters"),
    "compare_group": ("聚类 {label}", "Cluster {label}"),
    "compare_size": ("{count} 项", "{count} items"),
    "compare_typical": ("典型录音", "Typical"),
    "compare_noise": (
        "另有 {count} 项不属于任何聚类（噪声）：它们离所有聚类都不够近。",
        "{count} more belong to no cluster (noise): they are close enough to none.",
    ),
    "compare_no_groups": (
        "没有找到聚类：所有项都算作噪声。可以在选项里改用 k-means。",
        "No clusters were found: everything counts as noise. Try k-means in the options.",
    ),
    "compare_neighbours": ("最相似的录音", "Nearest neighbours"),
    "compare_of": ("查找对象", "Nearest to"),
    "compare_play": ("播放 {name}", "Play {name}"),
    "compare_playing": ("播放中：{name}", "Playing: {name}"),
    "compare_unplayable": ("无法播放 {name}", "{name} cannot be played"),
    "compare_no_sound": (
        "{name} 只有 embedding，没有声音",
        "{name} is an embedding without sound",
    ),
    "compare_trend": ("情绪随时间的变化", "Mood over time"),
    "compare_nobody": ("未注明说话人", "No speaker given"),
    "compare_trend_remark": (
        "每一行是一种情绪的得分，高度 0 到 1；点一下可以播放那天的录音。始终低于 5% 的不画。",
        "Each row is an emotion's score, 0 to 1 in height; a point plays its recording. Emotions "
        "that stay below 5 % are left out.",
    ),
    "compare_table": ("数据表", "As a table"),
    "compare_date": ("日期", "Date"),
    "compare_downloads": ("下载", "Downloads"),
    "compare_download_similarity": ("相似度（CSV）", "Similarity (CSV)"),
    "compare_download_map": ("地图与聚类（CSV）", "Map and clusters (CSV)"),
    "compare_download_svg": ("地图（SVG）", "Map (SVG)"),
}
