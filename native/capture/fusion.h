// Fusion: inside a compiled function elementwise calls are noted instead of run, until somebody needs their values. Then
// the whole chain runs block by block, so that what lies between its first inputs and its last results stays in the first-level cache,
// and results that nobody holds any more are never written. The program itself runs as ever, every line of it, every time: a chain ends
// where the program looks at a value, writes in place or calls another kind of operator, so nothing about it has to be guessed.
#pragma once

namespace fl {

// A compiled function begins and ends (they may nest) on this thread. The outermost end computes what is still owed.
void begin_fusion();
void end_fusion();
bool fusing();
void install_fusion();  // makes the operators ask it; once, at load time

}  // namespace fl
