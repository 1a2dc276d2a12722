"""Texts of the models tab, in Chinese and in English."""

from __future__ import annotations

from typing import Final

from emotion.core.i18n import Pair

MODELS_TEXTS: Final[dict[str, Pair]] = {
    "tab_models": ("模型", "Models"),
    "models_title": ("模型", "Models"),
    "models_reading": ("正在读取……", "Reading…"),
    "models_offline": ("连接不上服务器，正在重试。", "The server does not answer; trying again."),
    "models_answers": ("正在使用", "In use"),
    "models_ready": ("已在本机", "On this machine"),
    "models_partial": ("未下载完", "Partly downloaded"),
    "models_missing": ("需下载", "Not downloaded"),
    "models_switch": ("切换", "Switch to it"),
    "models_fetch": ("下载并切换", "Download and switch"),
    "models_switching": ("正在切换……", "Switching…"),
    "models_failed": (
        "切换失败，仍用原来的模型：",
        "The switch failed; the earlier model goes on: ",
    ),
    "models_not_operator": (
        "只有这台服务器的管理员可以切换模型。",
        "Only the operator of this server may switch models.",
    ),
    "models_size": ("大小", "Size"),
    "models_licence": ("许可", "Licence"),
    "models_where": ("运行于", "Runs on"),
    "models_width": ("嵌入维度", "Embedding width"),
    "models_labels": ("情感", "Emotions"),
    "models_comparison": ("最近一次对比", "Last comparison"),
    "models_none": (
        "还没有对比结果。在服务器上用带标签的录音运行下面的命令，结果会出现在这里：",
        "There is no comparison yet. Run this on the server with labelled recordings, and it shows "
        "here:",
    ),
    "models_again": ("用这条命令重新对比：", "To compare again, run:"),
    "models_about": (
        "{manifest}，{made}，{machine}。同一台机器、同一次运行、相同的录音，每个模型单独一个进程。",
        "{manifest}, {made}, {machine}. The same recordings on one machine in one run, each model "
        "in a process of its own.",
    ),
    "models_model": ("模型", "Model"),
    "models_ua": ("UA（平均召回率）", "UA (mean recall)"),
    "models_interval": ("95% 区间", "95 % interval"),
    "models_wa": ("WA（准确率）", "WA (accuracy)"),
    "models_macro_f1": ("宏 F1", "Macro F1"),
    "models_ece": ("校准误差", "Calibration error"),
    "models_load": ("首次加载", "First load"),
    "models_latency": ("单条耗时", "A recording"),
    "models_memory": ("内存", "Memory"),
    "models_gpu": ("显存", "GPU memory"),
    "models_confusions": ("主要混淆", "Main confusions"),
    "models_languages": ("语言", "Languages"),
    "models_engine": ("引擎", "Engine"),
    "models_not_measured": ("没有结果：", "Not measured: "),
    "models_recordings": ("{count} 条录音", "{count:recording|recordings}"),
}
