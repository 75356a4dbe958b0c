//! `devices`: where this machine can compute.

use cliploupe_workbench::{
    Workbench,
    messages::{DeviceInfo, DeviceKind},
};
use serde_json::json;

use crate::Report;

pub fn run() -> Report {
    let devices = Workbench::devices();
    let text = devices.iter().map(line).collect();
    Report { text, json: json!({ "devices": devices }), complete: true }
}

fn line(device: &DeviceInfo) -> String {
    let kind = match device.kind {
        DeviceKind::Cpu => "processor",
        DeviceKind::DiscreteGpu => "discrete GPU",
        DeviceKind::IntegratedGpu => "integrated GPU",
        DeviceKind::VirtualGpu => "virtual GPU",
        DeviceKind::Software => "software adapter, slower than the CPU, never chosen by auto",
    };
    let threads = device.threads.map(|count| format!(", {count} threads")).unwrap_or_default();
    let driver = if device.driver.is_empty() { String::new() } else { format!(", {}", device.driver) };
    format!("{:<7} {} ({kind}, {}{driver}{threads})\n", device.id, device.name, device.backend)
}
