//! `devices`: where this machine can compute, and whether that is right.

use cliploupe_workbench::{
    devices::{self, Remembered},
    messages::{DeviceInfo, DeviceKind, Precision, SelfTest},
};
use serde_json::json;

use crate::{
    Report,
    args::{Common, Devices},
    failure::Failed,
    setup::{source, speed},
};

pub fn run(command: &Devices, common: &Common) -> Result<Report, Failed> {
    let remembered = Remembered::load(devices::default_folder().as_deref());
    let tested = if command.test {
        Some(devices::test(&source(common)?, &common.device.parse()?, speed(common), &remembered)?)
    } else {
        None
    };
    let devices = devices::list(&remembered);
    let mut text: String = devices.iter().map(lines).collect();
    if let Some(test) = &tested {
        text.push_str(&format!("tested  {}\n", sentence(test)));
    }
    let complete = tested.as_ref().is_none_or(|test| test.passed);
    let json = match tested {
        Some(test) => json!({ "devices": devices, "tested": test }),
        None => json!({ "devices": devices }),
    };
    Ok(Report { text, json, complete })
}

fn lines(device: &DeviceInfo) -> String {
    let kind = match device.kind {
        DeviceKind::Cpu => "processor",
        DeviceKind::DiscreteGpu => "discrete GPU",
        DeviceKind::IntegratedGpu => "integrated GPU",
        DeviceKind::VirtualGpu => "virtual GPU",
        DeviceKind::Software => "software adapter, slower than the CPU, never chosen by auto",
    };
    let mut facts = vec![kind.to_owned(), device.backend.clone()];
    facts.extend([&device.vendor, &device.driver].into_iter().filter(|fact| !fact.is_empty()).cloned());
    facts.extend(device.threads.map(|count| format!("{count} threads")));
    facts.extend((!device.simd.is_empty()).then(|| device.simd.join(" ")));
    facts.extend(device.memory.map(|bytes| format!("{} of memory", size(bytes))));
    let mut text = format!("{:<7} {} ({})\n", device.id, device.name, facts.join(", "));
    if let Some(limits) = &device.limits {
        let has = |what: bool| if what { "yes" } else { "no" };
        text.push_str(&format!(
            "        f16 {}, subgroups {}, buffers of {}, of which a kernel sees {} of {}, workgroups of {} that share {}\n",
            has(device.f16),
            has(device.subgroups),
            size(limits.largest_buffer),
            limits.bindings,
            size(limits.largest_binding),
            limits.workgroup_size,
            size(limits.workgroup_memory.into()),
        ));
        if device.tests.is_empty() {
            text.push_str("        not tested yet; that is done when a model first computes there\n");
        }
    }
    text.extend(device.tests.iter().map(|test| format!("        {}\n", sentence(test))));
    text
}

/// How a self-test ended.
pub fn sentence(test: &SelfTest) -> String {
    let precision = match test.precision {
        Precision::F32 => "f32",
        Precision::HalfAtRest => "f16 at rest",
        Precision::F16 => "f16",
    };
    let end = match (&test.cause, test.difference) {
        (Some(cause), _) => format!("is refused: {cause}"),
        (None, Some(difference)) => {
            format!("agrees with the CPU to {difference:.1e} at {} stages", test.stages)
        }
        (None, None) => "agrees with the CPU".to_owned(),
    };
    let cosine = test.cosine.map(|cosine| format!(", cosine {cosine:.6}")).unwrap_or_default();
    let speed = test.speedup.zip(test.pictures_per_second);
    let speed = speed.map(|(times, rate)| format!(", {times:.2}× as fast, {rate:.1} pictures/s")).unwrap_or_default();
    format!("{} in {precision} {end}{cosine}{speed}", test.model)
}

fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{:.1} {name}", bytes as f64 / unit as f64))
}
