"""Names and units of other programs, and what they are called here.

Each table is a dictionary from the name as the program writes it; what stands in none keeps its name. The
units are those of the values as they are read: nothing is converted here.
"""

from __future__ import annotations

from collections.abc import Collection

from capforecast.sources.naming import metric_name

METRICS: dict[str, tuple[str, str]] = {
    # Telegraf: measurement and field.
    "cpu_usage_idle": ("cpu_idle_pct", "percent"),
    "cpu_usage_user": ("cpu_user_pct", "percent"),
    "cpu_usage_system": ("cpu_system_pct", "percent"),
    "cpu_usage_iowait": ("cpu_iowait_pct", "percent"),
    "cpu_usage_steal": ("cpu_steal_pct", "percent"),
    "cpu_usage_active": ("cpu_util_pct", "percent"),
    "mem_used_percent": ("mem_used_pct", "percent"),
    "mem_available_percent": ("mem_available_pct", "percent"),
    "mem_total": ("mem_total_bytes", "byte"),
    "mem_used": ("mem_used_bytes", "byte"),
    "mem_free": ("mem_free_bytes", "byte"),
    "mem_available": ("mem_available_bytes", "byte"),
    "mem_cached": ("mem_cached_bytes", "byte"),
    "mem_buffered": ("mem_buffered_bytes", "byte"),
    "swap_used_percent": ("swap_used_pct", "percent"),
    "swap_total": ("swap_total_bytes", "byte"),
    "swap_used": ("swap_used_bytes", "byte"),
    "swap_free": ("swap_free_bytes", "byte"),
    "disk_used_percent": ("disk_used_pct", "percent"),
    "disk_total": ("disk_total_bytes", "byte"),
    "disk_used": ("disk_used_bytes", "byte"),
    "disk_free": ("disk_free_bytes", "byte"),
    "disk_inodes_used_percent": ("inode_used_pct", "percent"),
    "disk_inodes_total": ("inode_total", "count"),
    "disk_inodes_used": ("inode_used", "count"),
    "disk_inodes_free": ("inode_free", "count"),
    "system_load1": ("load_1", ""),
    "system_load5": ("load_5", ""),
    "system_load15": ("load_15", ""),
    # OpenTelemetry: semantic conventions of hosts.
    "system.cpu.utilization{state=idle}": ("cpu_idle_pct", "fraction"),
    "system.cpu.utilization{state=user}": ("cpu_user_pct", "fraction"),
    "system.cpu.utilization{state=system}": ("cpu_system_pct", "fraction"),
    "system.cpu.utilization{state=wait}": ("cpu_iowait_pct", "fraction"),
    "system.memory.usage{state=used}": ("mem_used_bytes", "byte"),
    "system.memory.usage{state=free}": ("mem_free_bytes", "byte"),
    "system.memory.utilization{state=used}": ("mem_used_pct", "fraction"),
    "system.memory.limit": ("mem_total_bytes", "byte"),
    "system.linux.memory.available": ("mem_available_bytes", "byte"),
    "system.filesystem.usage{state=used}": ("disk_used_bytes", "byte"),
    "system.filesystem.usage{state=free}": ("disk_free_bytes", "byte"),
    "system.filesystem.limit": ("disk_total_bytes", "byte"),
    "system.filesystem.utilization{state=used}": ("disk_used_pct", "fraction"),
    "system.cpu.load_average.1m": ("load_1", ""),
    "system.cpu.load_average.5m": ("load_5", ""),
    "system.cpu.load_average.15m": ("load_15", ""),
    # CloudWatch.
    "CPUUtilization": ("cpu_util_pct", "percent"),
    "MemoryUtilization": ("mem_used_pct", "percent"),
    "DiskSpaceUtilization": ("disk_used_pct", "percent"),
    "FreeStorageSpace": ("disk_free_bytes", "byte"),
    "FreeableMemory": ("mem_available_bytes", "byte"),
    # Windows: object and counter.
    "Processor\\% Processor Time": ("cpu_util_pct", "percent"),
    "Processor Information\\% Processor Time": ("cpu_util_pct", "percent"),
    "Memory\\Available Bytes": ("mem_available_bytes", "byte"),
    "Memory\\Available KBytes": ("mem_available_bytes", "KiB"),
    "Memory\\Available MBytes": ("mem_available_bytes", "MiB"),
    "Paging File\\% Usage": ("swap_used_pct", "percent"),
    "LogicalDisk\\% Free Space": ("disk_free_pct", "percent"),
    "LogicalDisk\\Free Megabytes": ("disk_free_bytes", "MiB"),
    # collectd: plugin, type and type instance, or the column.
    "df.df_complex-used": ("disk_used_bytes", "byte"),
    "df.df_complex-free": ("disk_free_bytes", "byte"),
    "df.df_complex-reserved": ("disk_reserved_bytes", "byte"),
    "df.percent_bytes-used": ("disk_used_pct", "percent"),
    "df.percent_bytes-free": ("disk_free_pct", "percent"),
    "df.percent_inodes-used": ("inode_used_pct", "percent"),
    "memory.memory-used": ("mem_used_bytes", "byte"),
    "memory.memory-free": ("mem_free_bytes", "byte"),
    "memory.memory-cached": ("mem_cached_bytes", "byte"),
    "memory.memory-buffered": ("mem_buffered_bytes", "byte"),
    "memory.percent-used": ("mem_used_pct", "percent"),
    "swap.swap-used": ("swap_used_bytes", "byte"),
    "swap.swap-free": ("swap_free_bytes", "byte"),
    "swap.percent-used": ("swap_used_pct", "percent"),
    "cpu.percent-idle": ("cpu_idle_pct", "percent"),
    "cpu.percent-active": ("cpu_util_pct", "percent"),
    "cpu.percent-user": ("cpu_user_pct", "percent"),
    "cpu.percent-system": ("cpu_system_pct", "percent"),
    "cpu.percent-wait": ("cpu_iowait_pct", "percent"),
    "load.load.shortterm": ("load_1", ""),
    "load.load.midterm": ("load_5", ""),
    "load.load.longterm": ("load_15", ""),
    # Zabbix: keys of items; what stands between the brackets and is a name is the instance.
    "system.cpu.util": ("cpu_util_pct", "percent"),
    "vm.memory.size[total]": ("mem_total_bytes", "byte"),
    "vm.memory.size[used]": ("mem_used_bytes", "byte"),
    "vm.memory.size[available]": ("mem_available_bytes", "byte"),
    "vm.memory.size[pavailable]": ("mem_available_pct", "percent"),
    "vm.memory.utilization": ("mem_used_pct", "percent"),
    "vfs.fs.size[,pused]": ("disk_used_pct", "percent"),
    "vfs.fs.size[,used]": ("disk_used_bytes", "byte"),
    "vfs.fs.size[,total]": ("disk_total_bytes", "byte"),
    "vfs.fs.size[,free]": ("disk_free_bytes", "byte"),
    "vfs.fs.inode[,pused]": ("inode_used_pct", "percent"),
    "system.cpu.load[,avg1]": ("load_1", ""),
    "system.cpu.load[,avg5]": ("load_5", ""),
    "system.cpu.load[,avg15]": ("load_15", ""),
}  # fmt: skip
"""Metrics of programs; in braces: only with this label, which is then no part of the instance."""

SYSSTAT: dict[str, tuple[str, str]] = {
    "%usr": ("cpu_user_pct", "percent"),
    "%user": ("cpu_user_pct", "percent"),
    "%nice": ("cpu_nice_pct", "percent"),
    "%sys": ("cpu_system_pct", "percent"),
    "%system": ("cpu_system_pct", "percent"),
    "%iowait": ("cpu_iowait_pct", "percent"),
    "%steal": ("cpu_steal_pct", "percent"),
    "%idle": ("cpu_idle_pct", "percent"),
    "%memused": ("mem_used_pct", "percent"),
    "kbmemused": ("mem_used_bytes", "KiB"),
    "kbmemfree": ("mem_free_bytes", "KiB"),
    "kbavail": ("mem_available_bytes", "KiB"),
    "kbcached": ("mem_cached_bytes", "KiB"),
    "kbbuffers": ("mem_buffered_bytes", "KiB"),
    "%swpused": ("swap_used_pct", "percent"),
    "kbswpused": ("swap_used_bytes", "KiB"),
    "kbswpfree": ("swap_free_bytes", "KiB"),
    "MBfsused": ("disk_used_bytes", "MiB"),
    "MBfsfree": ("disk_free_bytes", "MiB"),
    "%fsused": ("disk_used_pct", "percent"),
    "%Iused": ("inode_used_pct", "percent"),
    "Iused": ("inode_used", "count"),
    "Ifree": ("inode_free", "count"),
    "%util": ("disk_util_pct", "percent"),
    "%ifutil": ("net_util_pct", "percent"),
    "ldavg-1": ("load_1", ""),
    "ldavg-5": ("load_5", ""),
    "ldavg-15": ("load_15", ""),
}  # fmt: skip
"""Headers of sysstat; the others are named as `naming.metric_name` cleans them."""

UNITS: dict[str, str] = {
    # OpenTelemetry (UCUM).
    "1": "", "%": "percent", "By": "byte", "KiBy": "KiB", "MiBy": "MiB", "GiBy": "GiB", "kBy": "KB", "MBy": "MB",
    "GBy": "GB", "By/s": "byte/s", "bit/s": "bit/s",
    # OpenMetrics.
    "bytes": "byte", "seconds": "s", "ratio": "fraction", "percent": "percent",
    # CloudWatch.
    "None": "", "Percent": "percent", "Bytes": "byte", "Kilobytes": "KB", "Megabytes": "MB", "Gigabytes": "GB",
    "Terabytes": "TB", "Seconds": "s", "Milliseconds": "ms", "Microseconds": "us", "Count": "count",
    "Bytes/Second": "byte/s", "Kilobytes/Second": "KB/s", "Megabytes/Second": "MB/s", "Bits/Second": "bit/s",
    "Count/Second": "1/s",
}  # fmt: skip
"""Units as programs write them; what does not stand here is taken as it is."""

COUNTERS = frozenset(
    {
        "diskio_reads", "diskio_writes", "diskio_read_bytes", "diskio_write_bytes", "diskio_read_time",
        "diskio_write_time", "diskio_io_time", "diskio_weighted_io_time", "net_bytes_sent", "net_bytes_recv",
        "net_packets_sent", "net_packets_recv", "net_err_in", "net_err_out", "net_drop_in", "net_drop_out",
        "kernel_context_switches", "kernel_interrupts", "kernel_processes_forked", "swap_in", "swap_out",
    }
)  # fmt: skip
"""Fields of Telegraf that only grow: line protocol does not say so itself."""


def sysstat_metric(header: str, section: Collection[str]) -> tuple[str, str]:
    """Return the metric and the unit of a column of sysstat.

    Parameters
    ----------
    header : str
        Its header, as ``sar`` and ``sadf -d`` write it.
    section : collection of str
        All headers of its table: TCP and NFS call two things ``retrans/s`` until sysstat 12.7.
    """
    if header == "retrans/s" and "atmptf/s" in section:
        header = "retrseg/s"
    return SYSSTAT.get(header) or metric_name(header)
