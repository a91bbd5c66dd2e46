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

// What is being read, chosen or marked stays as it is.
function busy() {
  return paused || document.hidden || live.contains(document.activeElement) || live.querySelector('details[open]') ||
    String(getSelection()) || [...live.querySelectorAll('select, input')].some(e => e.selectedIndex > 0 || e.checked)
}

async function refresh() {
  if (!busy()) {
    try {
      const answer = await fetch('/_emulator/?part=live')
      const html = await answer.text()
      if (answer.ok && !busy()) {
        live.innerHTML = html
        button()
      }
    } catch { /* the emulator has ended, or will be back */ }
  }
  setTimeout(refresh, 2000)
}

button()
setTimeout(refresh, 2000)
