// Spares the click on the page that brings an answer to an application.
document.forms[0].submit()
