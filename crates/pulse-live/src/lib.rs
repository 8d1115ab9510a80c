//! Shows a running job: terminal view, progress lines, recorded runs.
