// Keeps what waits and the journal up to date. Without it there is the link Refresh.
const live = document.getElementById('live')
let paused = false

function button() {
  const pause = document.getElementById('pause')
  pause.hidden = false
  pause.textContent = paused ? 'Go on' : 'Pause'
  pause.onclick = () => { paused = !paused; button() }
  document.getElementById('refresh').hidden = !paused
}

async function refresh() {
  // What is being read, chosen or typed stays as it is.
  const busy = live.contains(document.activeElement) || live.querySelector('details[open]') || String(getSelection())
  if (!paused && !document.hidden && !busy) {
    try {
      const answer = await fetch('/_emulator/?part=live')
      if (answer.ok && !live.contains(document.activeElement)) {
        live.innerHTML = await answer.text()
        button()
      }
    } catch { /* the emulator has ended, or will be back */ }
  }
  setTimeout(refresh, 2000)
}

button()
setTimeout(refresh, 2000)
