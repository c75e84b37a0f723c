import { renderReports } from "../page/report";
import type { Explanation } from "./explain";

/** Renders an explanation as a self-contained HTML page. All text is escaped; control characters, which HTML forbids, are shown as symbols. */
export function explainHtml(explanation: Explanation): string {
  return renderReports([{ kind: "match", explanation }]);
}
