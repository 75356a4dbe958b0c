// The tabs of the Review screen.
import type { Component } from "svelte";
import type { ReviewTab } from "../../state/review.svelte";
import EvaluationTab from "./EvaluationTab.svelte";
import QueueTab from "./QueueTab.svelte";
import ThresholdsTab from "./ThresholdsTab.svelte";

export const TABS: Record<ReviewTab, Component> = { queue: QueueTab, thresholds: ThresholdsTab, evaluation: EvaluationTab };
