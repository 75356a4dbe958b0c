// The sentences about devices and their self-tests.
import type { DeviceInfo, SelfTest } from "../../ipc/bindings";
import { paceOf, testSentence, timesText, type AutoPick } from "../../model/devices";
import * as format from "../../model/format";
import { currentLocale, t } from "../../state/i18n.svelte";

/** The CPU by its threads, as its own name says little and is in its facts; a GPU by its name. */
export function deviceName(info: DeviceInfo): string {
  return info.kind === "cpu" && info.threads !== null ? t("device.cpuThreads", { count: info.threads }) : info.name;
}

/** `Graphics card · NVIDIA · Vulkan · NVIDIA 560.35.03 · 12 GiB · f16 · subgroups`; what is not known is left out. */
export function deviceFacts(info: DeviceInfo): string {
  const isCpu = info.kind === "cpu";
  const facts = [
    isCpu && info.name !== "CPU" && info.name,
    t(`device.kind.${info.kind}`),
    info.vendor,
    info.backend,
    info.driver,
    info.simd.join(", "),
    info.memory !== null && format.memory(info.memory, currentLocale()),
    !isCpu && t(info.f16 ? "device.f16.yes" : "device.f16.no"),
    !isCpu && t(info.subgroups ? "device.subgroups.yes" : "device.subgroups.no"),
  ];
  return facts.filter(Boolean).join(" · ");
}

/** How a test ended, with why it failed, and when and with what it was made. */
export function testWords(test: SelfTest, nowMs: number): { found: string; made: string } {
  const { key, values } = testSentence(test, currentLocale());
  const words = { ...values, precision: t(`device.precision.${test.precision}`) };
  const cause = test.passed || test.cause === null ? null : t("device.cause", { cause: test.cause });
  const when = format.ago(test.takenMs, nowMs, currentLocale());
  const made = when === null ? t("device.test.justNow", { model: test.model }) : t("device.test.when", { when, model: test.model });
  return { found: [t(key, words), cause].filter(Boolean).join(" "), made };
}

/** `41× faster`; null where it was not measured. */
export function paceWords(speedup: number | null): string | null {
  const pace = paceOf(speedup);
  if (speedup === null || pace === "none") return null;
  return pace === "same" ? t("device.sameSpeed") : t(pace === "faster" ? "device.faster" : "device.slower", { speedup: timesText(speedup, currentLocale()) });
}

export function autoWords({ why, isNow, name, speedup }: AutoPick): string {
  const values = { now: isNow ? "yes" : "no", name, pace: paceOf(speedup), speedup: speedup === null ? "" : timesText(speedup, currentLocale()) };
  return t(`device.auto.${why}`, values);
}
