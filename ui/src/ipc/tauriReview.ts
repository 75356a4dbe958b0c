// The review part of the real shell.
import { invoke } from "@tauri-apps/api/core";
import type {
  EvaluationQuery, EvaluationReport, LabelCard, Queue, QueueQuery, ReviewState, ReviewVerdict, StepDone, ThresholdEffect,
} from "./bindings";
import type { ReviewBackend } from "./reviewBackend";

export class TauriReview implements ReviewBackend {
  state(): Promise<ReviewState> {
    return invoke("review_state");
  }

  suggest(): Promise<void> {
    return invoke("review_suggest");
  }

  cancelSuggest(): Promise<void> {
    return invoke("review_cancel_suggest");
  }

  queue(query: QueueQuery): Promise<Queue> {
    return invoke("review_queue", { query });
  }

  decide(photos: number[], label: string, verdict: ReviewVerdict): Promise<void> {
    return invoke("review_decide", { photos, label, verdict });
  }

  decideAll(label: string, minProbability: number, verdict: ReviewVerdict): Promise<number> {
    return invoke("review_decide_all", { label, minProbability, verdict });
  }

  undo(): Promise<StepDone | null> {
    return invoke("review_undo");
  }

  redo(): Promise<StepDone | null> {
    return invoke("review_redo");
  }

  labelCard(label: string): Promise<LabelCard> {
    return invoke("review_label_card", { label });
  }

  thresholdEffect(label: string, threshold: number): Promise<ThresholdEffect> {
    return invoke("review_threshold_effect", { label, threshold });
  }

  setThreshold(label: string, threshold: number | null): Promise<void> {
    return invoke("review_set_threshold", { label, threshold });
  }

  renameTag(from: string, to: string): Promise<void> {
    return invoke("review_rename_tag", { from, to });
  }

  evaluate(query: EvaluationQuery): Promise<EvaluationReport> {
    return invoke("review_evaluate", { query });
  }

  saveEvaluation(format: "markdown" | "json"): Promise<string | null> {
    return invoke("review_save_evaluation", { format });
  }
}
